//! The meter: what the calls of plugins used, from their receipts. What a commit belongs to counts with it, in its transaction:
//! rules and checks with their batch. The others gather here and are written every second, see `metering`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use openhub_model::{Quarter, TenantId};
use openhub_runtime::{CallFault, Receipt, Receipted};
use openhub_store::{Called, Installation, Usage, UsageKey};

/// Usage of some calls, each key once.
#[derive(Clone, Debug, Default)]
pub struct Meter(Vec<Usage>);

impl Meter {
    /// Adds one call, whether it failed or not.
    pub fn call(&mut self, of: (&Installation, Called, &str), items: usize, failed: bool, receipt: &Receipt) {
        let (installation, called, name) = of;
        let is_it = |usage: &Usage| {
            let UsageKey { plugin, digest, called: of, name: named } = &usage.key;
            *of == called && named == name && *plugin == installation.name && *digest == installation.digest
        };
        let at = self.0.iter().position(is_it).unwrap_or_else(|| {
            let (plugin, digest) = (installation.name.clone(), installation.digest.clone());
            let key = UsageKey { plugin, digest, called, name: name.to_owned() };
            self.0.push(Usage::none(key, installation.version.clone()));
            self.0.len() - 1
        });
        let usage = &mut self.0[at];
        usage.calls += 1;
        usage.items += whole(items as u64);
        usage.faults += i64::from(failed);
        usage.fuel = usage.fuel.saturating_add(whole(receipt.fuel));
        usage.host_calls += i64::from(receipt.host_calls);
        usage.fetches += i64::from(receipt.fetches);
        usage.bytes_out = usage.bytes_out.saturating_add(whole(receipt.bytes_out));
        usage.peak_memory = usage.peak_memory.max(whole(receipt.peak_memory));
    }

    /// Adds a call of the pure lane. What is made again in smaller calls counts its items there.
    pub fn answered<T: Receipted>(
        &mut self,
        of: (&Installation, Called, &str),
        items: usize,
        answer: &Result<T, CallFault>,
    ) {
        let receipt = answer.as_ref().map_or_else(|fault| &fault.receipt, Receipted::receipt);
        let items = if answer.is_err() && items > 1 { 0 } else { items };
        self.call(of, items, answer.is_err(), receipt);
    }

    pub fn add(&mut self, more: Meter) {
        for usage in more.0 {
            match self.0.iter_mut().find(|known| known.key == usage.key) {
                Some(known) => known.add(&usage),
                None => self.0.push(usage),
            }
        }
    }

    pub fn fuel(&self) -> u64 {
        self.0.iter().map(|usage| usage.fuel.unsigned_abs()).sum()
    }

    /// In the order of the keys, in which any two nodes write them.
    pub fn finish(mut self) -> Vec<Usage> {
        self.0.sort_by(|a, b| a.key.cmp(&b.key));
        self.0
    }
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Usage of calls that no commit belongs to, by tenant, until it is written.
#[derive(Default)]
pub struct Meters(Mutex<HashMap<TenantId, Meter>>);

impl Meters {
    /// See [`Meter::call`].
    pub fn call(
        &self,
        tenant: TenantId,
        of: (&Installation, Called, &str),
        items: usize,
        failed: bool,
        receipt: &Receipt,
    ) {
        self.of(|meters| meters.entry(tenant).or_default().call(of, items, failed, receipt));
    }

    /// Gives back what could not be written.
    pub fn add(&self, tenant: TenantId, meter: Meter) {
        self.of(|meters| meters.entry(tenant).or_default().add(meter));
    }

    /// All that has gathered.
    pub fn take(&self) -> HashMap<TenantId, Meter> {
        self.of(std::mem::take)
    }

    fn of<T>(&self, with: impl FnOnce(&mut HashMap<TenantId, Meter>) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Calls of the API, by tenant and quarter of an hour, until they are written.
#[derive(Default)]
pub struct ApiCalls(Mutex<HashMap<(TenantId, Quarter), i64>>);

impl ApiCalls {
    pub fn count(&self, tenant: TenantId, quarter: Quarter) {
        self.add((tenant, quarter), 1);
    }

    /// Gives back what could not be written.
    pub fn add(&self, of: (TenantId, Quarter), calls: i64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(of).or_default() += calls;
    }

    /// All that has gathered.
    pub fn take(&self) -> HashMap<(TenantId, Quarter), i64> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::Timestamp;
    use openhub_model::manifest::Manifest;

    fn installation() -> Installation {
        let manifest = Manifest { name: "points".to_owned(), version: "1.2.0".to_owned(), ..Manifest::default() };
        Installation::uploaded("sha256:1".to_owned(), manifest, Timestamp::from_micros(0))
    }

    #[test]
    fn receipts_are_summed_and_the_greatest_memory_is_kept() {
        let plugin = installation();
        let receipt = |fuel, peak_memory| Receipt { fuel, peak_memory, host_calls: 1, bytes_out: 10, fetches: 2 };
        let mut meter = Meter::default();
        meter.call((&plugin, Called::Rule, "gold"), 7, false, &receipt(100, 9));
        meter.call((&plugin, Called::Rule, "gold"), 3, true, &receipt(50, 4));
        let mut other = Meter::default();
        other.call((&plugin, Called::Rule, "gold"), 1, false, &receipt(1, 20));
        other.call((&plugin, Called::Check, "gold"), 1, false, &receipt(5, 1));
        meter.add(other);
        assert_eq!(meter.fuel(), 156);
        let used = meter.finish();
        let [check, rule] = &used[..] else { panic!("{used:?}") };
        assert_eq!((check.key.called, check.calls, check.fuel), (Called::Check, 1, 5));
        assert_eq!((rule.calls, rule.items, rule.faults, rule.fuel), (3, 11, 1, 151));
        assert_eq!((rule.host_calls, rule.fetches, rule.bytes_out, rule.peak_memory), (3, 6, 30, 20));
        assert_eq!(rule.version, "1.2.0");
    }
}
