-- What a run tells of itself: the reason of the exit at which it ended, and what its update nodes wrote.
ALTER TABLE runs ADD COLUMN told TEXT COLLATE "C";
-- Each attempt to send a message: [when, what came of it, why, by which component].
ALTER TABLE messages ADD COLUMN attempts_made TEXT COLLATE "C";
