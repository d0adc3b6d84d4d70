//! How often somebody tries to log in: as one person from one address, as one person, from one address. Each node counts its own.

use openhub_model::Timestamp;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::problem::{Problem, TOO_MANY_LOGINS};

const WINDOW_MICROS: i64 = 15 * 60 * 1_000_000;
/// In a window. Who guesses from one place locks out nobody who comes from another.
const AS_ONE_FROM_ONE: u32 = 10;
const AS_ONE: u32 = 100;
const FROM_ONE: u32 = 100;
/// Counters that are kept.
const MOST: usize = 50_000;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Tried {
    AsFrom(String, Option<IpAddr>),
    As(String),
    From(Option<IpAddr>),
}

#[derive(Default)]
pub(crate) struct Logins(Mutex<HashMap<Tried, (Timestamp, u32)>>);

impl Logins {
    /// Counts one attempt of somebody who has yet to say who it is.
    pub fn came(&self, from: Option<IpAddr>, now: Timestamp) -> Result<(), Problem> {
        self.count(&[(Tried::From(from), FROM_ONE)], now)
    }

    /// Counts one attempt, before it is known whether it succeeds: so none is free that comes at the same time.
    pub fn tried(&self, person: &str, from: Option<IpAddr>, now: Timestamp) -> Result<(), Problem> {
        let all = [
            (Tried::From(from), FROM_ONE),
            (Tried::AsFrom(person.to_owned(), from), AS_ONE_FROM_ONE),
            (Tried::As(person.to_owned()), AS_ONE),
        ];
        self.count(&all, now)
    }

    fn count(&self, tries: &[(Tried, u32)], now: Timestamp) -> Result<(), Problem> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |since: &Timestamp| now.micros() - since.micros() >= WINDOW_MICROS;
        if all.len() >= MOST {
            all.retain(|_, (since, _)| !is_over(since));
            if all.len() >= MOST {
                all.clear();
            }
        }
        for (tried, most) in tries {
            let (since, count) = all.entry(tried.clone()).or_insert((now, 0));
            if is_over(since) {
                (*since, *count) = (now, 0);
            }
            if *count >= *most {
                metrics::counter!("openhub_requests_shed_total", "door" => "logins").increment(1);
                let rest = (since.micros() + WINDOW_MICROS - now.micros()).max(0) / 1_000_000 + 1;
                let detail =
                    "Somebody tried to log in too often. Wait, then try again; or have an admin invite you again.";
                return Err(Problem::new(TOO_MANY_LOGINS, detail).retry_after(u32::try_from(rest).unwrap_or(900)));
            }
            *count += 1;
        }
        Ok(())
    }

    /// Who came was known.
    pub fn came_in(&self, from: Option<IpAddr>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, count)) = all.get_mut(&Tried::From(from)) {
            *count = count.saturating_sub(1);
        }
    }

    /// Who knows the password guessed nothing.
    pub fn succeeded(&self, person: &str, from: Option<IpAddr>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&Tried::AsFrom(person.to_owned(), from));
        for tried in [Tried::From(from), Tried::As(person.to_owned())] {
            if let Some((_, count)) = all.get_mut(&tried) {
                *count = count.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_guesses_waits_and_keeps_nobody_else_out() {
        let (logins, here) = (Logins::default(), Some(IpAddr::from([10, 0, 0, 1])));
        let at = Timestamp::from_micros;
        for _ in 0..AS_ONE_FROM_ONE {
            assert!(logins.tried("ada", here, at(0)).is_ok());
        }
        assert!(logins.tried("ada", here, at(1)).is_err_and(|problem| problem.is(TOO_MANY_LOGINS)));
        assert!(logins.tried("ada", Some(IpAddr::from([10, 0, 0, 2])), at(1)).is_ok());
        assert!(logins.tried("bob", here, at(1)).is_ok());
        assert!(logins.tried("ada", here, at(WINDOW_MICROS)).is_ok(), "later it is another window");
        logins.succeeded("ada", here);
        assert!(logins.tried("ada", here, at(WINDOW_MICROS)).is_ok());
    }

    #[test]
    fn guesses_of_many_names_or_from_many_places_are_counted_too() {
        let (logins, now) = (Logins::default(), Timestamp::from_micros(0));
        let from = |last: u32| Some(IpAddr::V4(std::net::Ipv4Addr::from_bits(last)));
        let passed = (0..200).filter(|name| logins.tried(&format!("p{name}"), from(1), now).is_ok()).count();
        assert_eq!(passed, FROM_ONE as usize);
        let passed = (100..300).filter(|last| logins.tried("ada", from(*last), now).is_ok()).count();
        assert_eq!(passed, AS_ONE as usize);
    }

    #[test]
    fn a_flood_takes_so_much_memory_and_no_more() {
        let (logins, now) = (Logins::default(), Timestamp::from_micros(0));
        for number in 0..MOST as u32 {
            let from = Some(IpAddr::V4(std::net::Ipv4Addr::from_bits(number)));
            assert!(logins.tried(&format!("p{number}"), from, now).is_ok());
        }
        assert!(logins.0.lock().unwrap().len() <= MOST + 3);
    }
}
