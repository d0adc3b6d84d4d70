//! How large SQLite's write-ahead log grows before it is moved into the database file. The larger, the fewer pages are moved twice; but a log
//! that fills the disk cannot be moved any more, because the database file has to grow for that.

use std::path::Path;

use nix::sys::statvfs::statvfs;

const MIB: u64 = 1 << 20;
const PAGE: u64 = 4096;
/// Where there is room enough.
const MOST: u64 = 192 * MIB;
const LEAST: u64 = 4 * MIB;
/// The share of the disk's room that the log may take: as much again for what it is moved into, and half for all else.
const SHARE: u64 = 4;

/// How much of the log's file is kept, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogBound(u64);

impl LogBound {
    /// By the room on the disk of a database file; what its log takes already counts as room.
    pub fn beside(file: &Path) -> LogBound {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut log = file.as_os_str().to_owned();
        log.push("-wal");
        let taken = std::fs::metadata(log).map_or(0, |log| log.len());
        match statvfs(folder) {
            Ok(disk) => {
                LogBound::of(disk.blocks_available().saturating_mul(disk.fragment_size()).saturating_add(taken))
            }
            Err(_) => LogBound(MOST),
        }
    }

    fn of(room: u64) -> LogBound {
        LogBound((room / SHARE).clamp(LEAST, MOST))
    }

    pub fn bytes(self) -> u64 {
        self.0
    }

    /// Pages after which the writer itself moves the log, which is the last resort: a COMMIT waits for it.
    pub fn writers_pages(self) -> u64 {
        self.0 * 4 / 3 / PAGE
    }

    /// Pages that are worth moving beside the writer: most of them are written several times before, and moved once.
    pub fn pages(self) -> i64 {
        (self.0 / 2 / PAGE).cast_signed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breaker14_5_a_log_leaves_room_for_what_it_is_moved_into() {
        for (room, most) in [(200 * MIB, 50 * MIB), (24 * MIB, 6 * MIB), (1 << 40, MOST), (0, LEAST)] {
            let bound = LogBound::of(room);
            assert_eq!(bound.bytes(), most, "{room}");
            assert!(bound.pages() >= 512 && bound.pages().unsigned_abs() < bound.writers_pages(), "{room}");
        }
        assert!(LogBound::beside(Path::new("no-such.db")).bytes() >= LEAST);
    }
}
