//! Calls of migrations: records of another version in, records of this one out, in a fresh instance each time.

use openhub_model::Fault;

use crate::answer::{CallContext, Receipt};
use crate::bindings::types::types::Fault as PluginFault;
use crate::fault::{CallFault, FaultKind};
use crate::outcome::is_object;
use crate::plugin::Plugin;
use crate::reason;

/// One answer a record, in order: its fields as JSON, or why it cannot be one of this version.
#[derive(Debug)]
pub struct Migrated {
    pub answers: Vec<Result<String, Vec<Fault>>>,
    pub receipt: Receipt,
}

impl Plugin {
    /// Whether it makes records of other versions fit its own.
    pub fn migrates(&self) -> bool {
        self.migration.is_some()
    }

    /// Makes records of one type, which have a version, records of another one. Blocks the thread.
    pub fn migrate(
        &self,
        call: &CallContext,
        kind: &str,
        (from, to): (u32, u32),
        records: &[String],
    ) -> Result<Migrated, CallFault> {
        let Some(extension) = &self.migration else {
            return Err(CallFault::new(FaultKind::Host, "the plugin has no migration"));
        };
        let at_most = self.machine.limits.rows_per_call as usize;
        if records.len() > at_most {
            let message = format!("the call has {} records: at most {at_most}", records.len());
            return Err(CallFault::new(FaultKind::Host, message));
        }
        let (answer, receipt) = self.pure(call, records.len(), |store| {
            let instance = extension.instantiate(&mut *store)?;
            instance.openhub_data_object_migration().call_migrate(store, kind, from, to, records)
        })?;
        let answers = answer.map_err(reason::refused)?;
        if answers.len() != records.len() {
            let (given, asked) = (answers.len(), records.len());
            return Err(CallFault::malformed(format!("the plugin gave {given} answers to {asked} records")));
        }
        let answers = answers.into_iter().map(|answer| match answer {
            Ok(fields) if is_object(&fields) => Ok(fields),
            Ok(_) => {
                Err(vec![Fault::new("", "not-an-object", "The plugin made something of it that is no JSON object.")])
            }
            Err(faults) => Err(refused(faults)),
        });
        Ok(Migrated { answers: answers.collect(), receipt })
    }
}

fn refused(faults: Vec<PluginFault>) -> Vec<Fault> {
    if faults.is_empty() {
        return vec![Fault::new("", "refused", "The plugin refused it and did not say why.")];
    }
    reason::faults(faults)
}
