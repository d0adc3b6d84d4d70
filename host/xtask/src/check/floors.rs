//! A crate uses only crates on floors below its own; the guests use nothing of the host.

use cargo_metadata::DependencyKind;

use super::crates::{Crate, Use};

/// The host's rooms and their floors. A new crate of the host gets its line here.
const FLOORS: [(&str, u32); 7] = [
    ("host/model", 0),
    ("host/journey", 1),
    ("host/store", 1),
    ("host/runtime", 1),
    ("host/engine", 2),
    ("host/api", 3),
    ("host/cli", 4),
];

/// Rooms beside the floors, and all that each may use of the workspace.
const BESIDE: [(&str, &[&str]); 6] = [
    ("host/xtask", &["sdk/build", "host/model"]),
    ("sdk/rust", &["sdk/macros"]),
    ("sdk/macros", &[]),
    ("sdk/testing-macros", &[]),
    ("sdk/build", &["host/model"]),
    ("sdk/testing", &["sdk/rust", "sdk/testing-macros"]),
];

/// What tests of any crate may use besides: the tools that build and run plugins, and a database.
const IN_TESTS: [&str; 4] = ["sdk/build", "sdk/testing", "sdk/rust", "tests/postgres"];

/// What the benchmarks, programs beside xtask, measure from within.
const MEASURED: [&str; 3] = ["host/runtime", "host/store", "host/engine"];

/// Below all floors, and without code: it settles the features of foreign crates.
const GROUND: &str = "host/features";

/// Rooms that compute only: without IO, without async, without chance.
const PURE: [&str; 2] = ["host/model", "host/journey"];
const IMPURE: [&str; 6] = ["tokio", "futures", "reqwest", "sqlx", "rand", "axum"];

pub fn check(crates: &[Crate]) -> Vec<String> {
    crates.iter().flat_map(|one| one.uses.iter().filter_map(|used| fault(&one.room, used))).collect()
}

fn fault(room: &str, used: &Use) -> Option<String> {
    let in_tests = used.kind == DependencyKind::Development;
    let Some(target) = used.room.as_deref() else {
        let impure = PURE.contains(&room) && !in_tests && IMPURE.contains(&used.name.as_str());
        return impure.then(|| format!("{room} is pure and must not use {}", used.name));
    };
    if room.starts_with("plugins/") || room.starts_with("examples/") || room.starts_with("tests/hostile/") {
        let fine = target == "sdk/rust" || (in_tests && IN_TESTS.contains(&target));
        return (!fine).then(|| format!("{room} is a guest and must not use {target}"));
    }
    if target == room
        || (target == GROUND && room.starts_with("host/"))
        || room.starts_with("tests")
        || (in_tests && IN_TESTS.contains(&target))
        || (in_tests && room == "host/xtask" && MEASURED.contains(&target))
    {
        return None;
    }
    if let Some((_, allowed)) = BESIDE.iter().find(|(beside, _)| *beside == room) {
        return (!allowed.contains(&target)).then(|| format!("{room} must not use {target}"));
    }
    let Some(floor) = floor(room) else { return Some(format!("{room} has no floor: give it one in floors.rs")) };
    match floor_of_used(room, target) {
        Some(below) if below < floor => None,
        Some(below) => Some(format!("{room} (floor {floor}) must not use {target} (floor {below})")),
        None => Some(format!("{room} must not use {target}")),
    }
}

fn floor(room: &str) -> Option<u32> {
    FLOORS.iter().find(|(named, _)| *named == room).map(|(_, floor)| *floor)
}

/// The binary builds plugins too.
fn floor_of_used(room: &str, target: &str) -> Option<u32> {
    if room == "host/cli" && target == "sdk/build" { Some(0) } else { floor(target) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(room: &str, target: &str, kind: DependencyKind) -> Option<String> {
        fault(room, &Use { room: Some(target.to_owned()), name: target.to_owned(), kind })
    }

    #[test]
    fn only_downwards() {
        use DependencyKind::{Development, Normal};
        for (room, target) in [
            ("host/engine", "host/store"),
            ("host/cli", "host/model"),
            ("host/cli", "sdk/build"),
            ("plugins/rfm", "sdk/rust"),
            ("tests", "host/store"),
        ] {
            assert_eq!(fault_of(room, target, Normal), None);
        }
        for (room, target) in [
            ("host/model", "host/store"),
            ("host/store", "host/journey"),
            ("host/runtime", "host/engine"),
            ("host/engine", "sdk/build"),
            ("host/new", "host/model"),
            ("plugins/rfm", "host/model"),
            ("plugins/rfm", "sdk/testing"),
            ("sdk/rust", "host/model"),
            ("host/xtask", "host/store"),
        ] {
            assert!(fault_of(room, target, Normal).is_some(), "{room} {target}");
        }
        assert_eq!(fault_of("plugins/rfm", "sdk/testing", Development), None);
        assert_eq!(fault_of("host/runtime", "sdk/build", Development), None);
        assert!(fault_of("host/store", "host/engine", Development).is_some());
    }

    #[test]
    fn pure_rooms_compute_only() {
        let tokio = |kind| Use { room: None, name: "tokio".into(), kind };
        assert!(fault("host/journey", &tokio(DependencyKind::Normal)).is_some());
        assert_eq!(fault("host/journey", &tokio(DependencyKind::Development)), None);
        assert_eq!(fault("host/store", &tokio(DependencyKind::Normal)), None);
    }
}
