"""DuckDB beside the hub: loads the same history, then answers requests of its standard input, a line of JSON each.

A request {"queries": [[segment, sql], …], "keep": bool} runs the queries in order. With `keep`, their members are stored,
in one transaction that is on the disk when it is answered; without, they are only counted.
"""

import json
import resource
import sys
import time

import duckdb

folder = sys.argv[1]
db = duckdb.connect(folder + "/peer.duckdb")


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_mib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM:"))


def load():
    customers = "{'id': 'BIGINT', 'plan': 'VARCHAR', 'city': 'VARCHAR', 'age': 'INTEGER'}"
    events = "{'customer': 'BIGINT', 'name': 'VARCHAR', 'happened_at': 'BIGINT', 'total': 'DOUBLE'}"
    for table, columns in [("customers", customers), ("events", events)]:
        source = f"read_csv('{folder}/{table}.csv', header = true, columns = {columns})"
        db.execute(f"CREATE TABLE {table} AS SELECT * FROM {source}")
    db.execute("CREATE TABLE memberships (segment VARCHAR, customer BIGINT)")
    db.execute("CHECKPOINT")


def run(queries, keep):
    if not keep:
        return [db.execute(f"SELECT count(*) FROM ({sql})").fetchone()[0] for _, sql in queries]
    db.execute("BEGIN")
    insert = "INSERT INTO memberships SELECT '{}', id FROM ({})"
    counts = [db.execute(insert.format(segment, sql)).fetchone()[0] for segment, sql in queries]
    db.execute("COMMIT")
    return counts


def answer(**fields):
    print(json.dumps(fields), flush=True)


began = time.monotonic()
load()
threads = db.execute("SELECT current_setting('threads')").fetchone()[0]
answer(version=duckdb.__version__, seconds=time.monotonic() - began, threads=threads)
for line in sys.stdin:
    request = json.loads(line)
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")
    began, cpu = time.monotonic(), cpu_seconds()
    counts = run(request["queries"], request["keep"])
    answer(seconds=time.monotonic() - began, cpu_seconds=cpu_seconds() - cpu, peak_mib=peak_mib(), counts=counts)
