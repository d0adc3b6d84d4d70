//! All that can be read in a database: where something that was erased would still be found.

use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};

/// Every text of every table of the first tenant, and on SQLite the bytes of every file beside it, each with its place.
pub async fn texts(url: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    if let Some(path) = url.strip_prefix("sqlite://") {
        let mut conn = SqliteConnection::connect(url).await.expect("a connection");
        let tables = sqlx::query("SELECT name FROM sqlite_master WHERE type = 'table'").fetch_all(&mut conn).await;
        for table in tables.expect("tables") {
            let table: String = table.get(0);
            let columns = sqlx::query(AssertSqlSafe(format!("SELECT name FROM pragma_table_info('{table}')")));
            let columns: Vec<String> =
                columns.fetch_all(&mut conn).await.expect("columns").iter().map(|row| row.get(0)).collect();
            let all: Vec<String> =
                columns.iter().map(|column| format!("COALESCE(CAST({column} AS TEXT), '')")).collect();
            let sql = format!("SELECT {} FROM {table}", all.join(" || ' ' || "));
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut conn).await.expect("rows");
            found.extend(rows.iter().filter_map(|row| Some((table.clone(), row.try_get::<String, _>(0).ok()?))));
        }
        conn.close().await.expect("it closes");
        let folder = std::path::Path::new(path).parent().expect("a folder");
        let files = std::fs::read_dir(folder).expect("a folder's files");
        for file in files.map(|file| file.expect("a file").path()).filter(|file| file.is_file()) {
            let bytes = std::fs::read(&file).expect("bytes");
            found.push((file.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    } else {
        let mut conn = PgConnection::connect(url).await.expect("a connection");
        sqlx::query("SELECT set_config('openhub.tenants', '1', false)").execute(&mut conn).await.expect("the tenant");
        let tables = "SELECT table_name::TEXT FROM information_schema.tables \
                      WHERE table_schema = 'public' AND table_type = 'BASE TABLE'";
        for table in sqlx::query(tables).fetch_all(&mut conn).await.expect("tables") {
            let table: String = table.get(0);
            let sql = format!("SELECT CAST(t AS TEXT) FROM {table} t");
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut conn).await.expect("rows");
            found.extend(rows.iter().map(|row| (table.clone(), row.get::<String, _>(0))));
        }
    }
    found
}
