//! The plugin's own world: both tools keep imports that nothing uses, so it has what rules use, and no more.

use anyhow::Result;

use super::Project;
use crate::sdk;

/// A rule may write lines into the log, and the SDK says there what was thrown.
const WORLD: &str = "\
package openhub:script@1.0.0;

world plugin { import openhub:log/log@1.0.0; export openhub:rule/rule@1.0.0; }
";
const PACKAGES: [&str; 3] = ["wit/deps/types/", "wit/deps/log/", "wit/deps/rule/"];

pub fn write(project: &Project) -> Result<()> {
    let wit = project.wit();
    crate::lock::write_whole(&wit.join("plugin.wit"), WORLD.as_bytes())?;
    for (path, text) in sdk::packed::FILES {
        if let Some(below) =
            path.strip_prefix("wit/").filter(|_| PACKAGES.iter().any(|package| path.starts_with(package)))
        {
            crate::lock::write_whole(&wit.join(below), text.as_bytes())?;
        }
    }
    Ok(())
}
