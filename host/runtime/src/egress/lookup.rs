//! Name look-ups on threads of their own. The system's resolver blocks a thread for as long as a name's servers hang; on the runtime's
//! blocking threads, rules would wait for that.
//!
//! A name is looked up once at a time, whoever asks. The number of look-ups under way has a bound, and so have those below one
//! domain, so that one that hangs leaves room for the others.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// How long to wait for a name.
const WAIT: Duration = Duration::from_secs(10);
const AT_ONCE: usize = 64;
/// Of names with the same last two labels.
const AT_ONCE_BELOW: usize = 8;
const STACK: usize = 512 * 1024;

type Found = Result<Vec<SocketAddr>, String>;
type Resolve = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

#[derive(Clone)]
pub struct Lookups {
    under_way: Arc<Mutex<HashMap<String, watch::Receiver<Option<Found>>>>>,
    resolve: Arc<Resolve>,
}

#[derive(Debug, thiserror::Error)]
pub enum Unresolved {
    #[error("the address of `{name}` was not found: {reason}")]
    Failed { name: String, reason: String },
    #[error("the address of `{0}` was not looked up: too many look-ups are under way")]
    Busy(String),
    #[error("the look-up of the address of `{0}` took too long")]
    Slow(String),
}

impl Default for Lookups {
    fn default() -> Lookups {
        Lookups::with(|name| Ok((name, 0).to_socket_addrs()?.collect()))
    }
}

impl Lookups {
    fn with(resolve: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Lookups {
        Lookups { under_way: Arc::default(), resolve: Arc::new(resolve) }
    }

    pub async fn find(&self, name: &str) -> Result<Vec<SocketAddr>, Unresolved> {
        let mut told = self.begin(name)?;
        let found = tokio::time::timeout(WAIT, told.wait_for(Option::is_some)).await;
        let found = found.map_err(|_| Unresolved::Slow(name.to_owned()))?.map(|found| found.clone());
        let failed = |reason: String| Unresolved::Failed { name: name.to_owned(), reason };
        found.ok().flatten().unwrap_or_else(|| Err("the look-up broke off".to_owned())).map_err(failed)
    }

    fn begin(&self, name: &str) -> Result<watch::Receiver<Option<Found>>, Unresolved> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = under_way.get(name) {
            return Ok(told.clone());
        }
        let below = under_way.keys().filter(|other| domain(other) == domain(name)).count();
        if under_way.len() >= AT_ONCE || below >= AT_ONCE_BELOW {
            return Err(Unresolved::Busy(name.to_owned()));
        }
        let (tell, told) = watch::channel(None);
        let (all, resolve, named) = (self.under_way.clone(), self.resolve.clone(), name.to_owned());
        let thread = std::thread::Builder::new().name("plugin-lookups".to_owned()).stack_size(STACK);
        let spawned = thread.spawn(move || {
            let found = resolve(&named).map_err(|error| error.to_string());
            all.lock().unwrap_or_else(PoisonError::into_inner).remove(&named);
            tell.send_replace(Some(found));
        });
        spawned.map_err(|error| Unresolved::Failed { name: name.to_owned(), reason: error.to_string() })?;
        under_way.insert(name.to_owned(), told.clone());
        Ok(told)
    }
}

/// The last two labels.
fn domain(name: &str) -> &str {
    let name = name.trim_end_matches('.');
    let mut points = name.rmatch_indices('.').map(|(at, _)| at);
    points.nth(1).map_or(name, |at| &name[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_the_last_two_labels() {
        for (name, expected) in
            [("a.b.c.example", "c.example"), ("c.example.", "c.example"), ("localhost", "localhost")]
        {
            assert_eq!(domain(name), expected);
        }
    }

    #[tokio::test]
    async fn d1_names_that_hang_leave_room_for_others() {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = Mutex::new(released);
        let lookups = Lookups::with(move |name| {
            if name.ends_with("hangs.example") {
                // Until the test ends.
                let _ = released.lock().unwrap_or_else(PoisonError::into_inner).recv();
            }
            Ok(vec!["8.8.8.8:0".parse().expect("an address")])
        });
        let hung: Vec<_> = (0..AT_ONCE_BELOW).map(|number| lookups.begin(&format!("{number}.hangs.example"))).collect();
        assert!(hung.iter().all(Result::is_ok));
        assert!(lookups.begin("0.hangs.example").is_ok(), "a name is waited for by all who ask, on one thread");
        assert!(matches!(lookups.begin("another.hangs.example"), Err(Unresolved::Busy(_))));
        for number in 0..AT_ONCE {
            let found = lookups.find(&format!("{number}.works.example")).await.expect("it is found");
            assert_eq!(found.len(), 1);
        }
        drop(release);
    }
}
