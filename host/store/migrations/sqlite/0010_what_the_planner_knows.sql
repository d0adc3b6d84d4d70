-- What the planner is to think of the tables that grow. Without this it takes `tenant_id = ?` for ten rows, and would rather
-- walk all rows of a tenant than look up a list of them. Figures: rows; for each column of the index more, in how many
-- rows the same values stand on average. Orders of magnitude are enough; whoever runs ANALYZE has their own instead.

ANALYZE sqlite_schema;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('events', 'events', '1000000 1000000 1'),
    ('events', 'events_message', '1000000 1000000 1'),
    ('events', 'events_part', '1000000 1000000 20 1'),
    ('events', 'events_control', '1000 1000 100 1'),
    ('event_bodies', 'event_bodies', '1000000 1000000 1'),
    ('set_aside', 'set_aside', '1000 1000 1'),
    ('set_aside', 'set_aside_part', '1000 1000 10'),
    ('customers', 'customers', '100000 100000 1'),
    ('parts', 'parts', '200000 200000 2 1'),
    ('parts', 'parts_part', '200000 200000 1'),
    ('claims', 'claims', '300000 300000 3 2 1 1 1'),
    ('claims', 'claims_value', '300000 300000 100000 2'),
    ('matches', 'matches', '1000 1000 1'),
    ('matches', 'matches_open', '100 100 1'),
    ('memberships', 'memberships', '500000 500000 50000 1'),
    ('memberships', 'memberships_customer', '500000 500000 5'),
    ('wakes', 'wakes', '100000 100000 1'),
    ('timers', 'timers', '200000 200000 1000 1'),
    ('runs', 'runs', '200000 200000 1'),
    ('runs', 'runs_part', '200000 200000 3 2'),
    ('entries', 'entries', '100000 100000 50000 1'),
    ('messages', 'messages', '200000 200000 1'),
    ('messages', 'messages_part', '200000 200000 3'),
    ('messages', 'messages_pending', '1000 1000 10'),
    ('objects', 'sqlite_autoindex_objects_1', '200000 200000 100000 1'),
    ('objects', 'objects_part', '200000 200000 3'),
    ('object_uniques', 'object_uniques', '200000 200000 100000 100000 1'),
    ('object_uniques', 'object_uniques_object', '200000 200000 100000 1');
ANALYZE sqlite_schema;
