//! A call of a migration that fails is made again with half of its objects, until each object that it fails on stands alone: the
//! others fit, and are not blamed for it. How many calls this takes has a bound, since a migration may fail on all of them.

use std::ops::Range;

use openhub_runtime::CallFault;

/// Calls that are made for this, of one type: enough to name ten objects among a page of others.
pub const CALLS: u32 = 200;

/// Why nothing came of objects.
#[derive(Clone, Debug, PartialEq)]
pub enum Failed {
    /// The plugin fails on this object.
    Alone(CallFault),
    /// It fails on some of these, and they were not tried one by one.
    Together(CallFault),
}

/// What came of a part of the objects.
pub type Piece<T> = (Range<usize>, Result<T, Failed>);

/// Calls with all objects, or with parts of them as long as there are `calls` left; the pieces in order.
pub fn apart<T>(
    objects: usize,
    calls: &mut u32,
    mut call: impl FnMut(Range<usize>) -> Result<T, CallFault>,
) -> Vec<Piece<T>> {
    let mut pieces = Vec::with_capacity(1);
    let mut open: Vec<Range<usize>> = std::iter::once(0..objects).collect();
    while let Some(range) = open.pop() {
        match call(range.clone()) {
            Ok(answer) => pieces.push((range, Ok(answer))),
            Err(fault) if range.len() <= 1 => pieces.push((range, Err(Failed::Alone(fault)))),
            Err(fault) if *calls < 2 => pieces.push((range, Err(Failed::Together(fault)))),
            Err(_) => {
                *calls -= 2;
                let middle = range.start + range.len() / 2;
                open.push(middle..range.end);
                open.push(range.start..middle);
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use openhub_runtime::FaultKind;

    use super::*;

    /// What becomes of 500 objects if a migration fails on these.
    fn asked(bad: &dyn Fn(usize) -> bool) -> (Vec<Piece<()>>, u32) {
        let (mut left, mut made) = (CALLS, 0);
        let pieces = apart(500, &mut left, |range| {
            made += 1;
            if range.clone().any(bad) { Err(CallFault::new(FaultKind::Trap, "it broke off")) } else { Ok(()) }
        });
        let covered: Vec<usize> = pieces.iter().flat_map(|(range, _)| range.clone()).collect();
        assert_eq!(covered, (0..500).collect::<Vec<_>>(), "each object once, in order");
        (pieces, made)
    }

    #[test]
    fn f8_only_the_objects_that_a_migration_fails_on_are_named() {
        let (pieces, made) = asked(&|at| at == 0 || at == 250 || at == 499);
        let failed = pieces.iter().filter(|(_, came)| came.is_err());
        let failed: Vec<_> =
            failed.map(|(range, came)| (range.clone(), matches!(came, Err(Failed::Alone(_))))).collect();
        assert_eq!(failed, [(0..1, true), (250..251, true), (499..500, true)]);
        assert!(made < 60, "{made}");
    }

    #[test]
    fn f8_a_migration_that_fails_on_all_of_them_is_not_asked_about_each() {
        let (pieces, made) = asked(&|_| true);
        assert_eq!(made, 1 + CALLS);
        let of = |is: fn(&Failed) -> bool| -> usize {
            let pieces = pieces.iter().filter(|(_, came)| came.as_ref().err().is_some_and(is));
            pieces.map(|(range, _)| range.len()).sum()
        };
        let (alone, together) =
            (of(|failed| matches!(failed, Failed::Alone(_))), of(|failed| matches!(failed, Failed::Together(_))));
        assert!(alone > 50 && alone + together == 500, "{alone}, {together}");
    }
}
