//! A call that fails as a whole is made again with half of its rows, until each row that it fails on stands alone. What
//! comes of a row does not depend on who was called with it, so the outcome is the same at any size of a call.

use std::ops::Range;

use openhub_runtime::{CallFault, FaultKind};

/// What came of a part of the rows: an answer, or the fault of one row.
pub type Piece<T> = (Range<usize>, Result<T, CallFault>);

/// Whether it is the machine's doing and not the row's: made again, the call may succeed.
fn passes(fault: &CallFault) -> bool {
    matches!(fault.kind, FaultKind::Epoch | FaultKind::Host)
}

/// Calls with all rows, or with as many calls as it takes to name the rows that it fails on; the pieces in order. An error is
/// one that passes, unless `give_up`: then it is the row's like any other.
pub fn bisect<T>(
    rows: usize,
    give_up: bool,
    mut call: impl FnMut(Range<usize>) -> Result<T, CallFault>,
) -> Result<Vec<Piece<T>>, CallFault> {
    let mut pieces = Vec::with_capacity(1);
    let mut open: Vec<Range<usize>> = std::iter::once(0..rows).collect();
    while let Some(range) = open.pop() {
        match call(range.clone()) {
            Ok(answer) => pieces.push((range, Ok(answer))),
            Err(fault) if passes(&fault) && !give_up => return Err(fault),
            Err(fault) if range.len() <= 1 => pieces.push((range, Err(fault))),
            Err(_) => {
                let middle = range.start + range.len() / 2;
                open.push(middle..range.end);
                open.push(range.start..middle);
            }
        }
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(kind: FaultKind) -> CallFault {
        CallFault::new(kind, "")
    }

    #[test]
    fn a7_the_rows_at_fault_are_named_and_no_other() {
        let bad = [3, 4, 700];
        let mut calls = 0;
        let pieces = bisect(1_000, false, |range| {
            calls += 1;
            let fails = bad.iter().any(|row| range.contains(row));
            if fails { Err(fault(FaultKind::Trap)) } else { Ok(range) }
        });
        let pieces = pieces.expect("a trap does not pass");
        let named: Vec<usize> = pieces.iter().filter(|(_, made)| made.is_err()).map(|(range, _)| range.start).collect();
        assert_eq!(named, bad);
        let covered: Vec<usize> = pieces.iter().flat_map(|(range, _)| range.clone()).collect();
        assert_eq!(covered, (0..1_000).collect::<Vec<_>>(), "each row once, in order");
        assert!(calls < 60, "{calls}");
    }

    #[test]
    fn what_passes_is_nobodys_fault() {
        let slow = |_: Range<usize>| -> Result<(), CallFault> { Err(fault(FaultKind::Epoch)) };
        assert_eq!(bisect(2, false, slow).err(), Some(fault(FaultKind::Epoch)));
        assert_eq!(bisect(2, true, slow).map(|pieces| pieces.len()), Ok(2));
    }
}
