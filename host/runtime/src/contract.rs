//! Which versions of the plugin contract this hub has.

use semver::Version;

use crate::error::Refusal;

/// The namespace of the contract's packages.
const CONTRACT: &str = "openhub:";
/// The version of all of its packages.
const HAS: Version = Version::new(1, 0, 0);

/// Refuses an interface, as a component names it (`openhub:log/log@1.0.0`), of a version that this hub does not have.
pub fn check(name: &str) -> Result<(), Refusal> {
    let Some((interface, version)) = name.split_once('@').filter(|_| name.starts_with(CONTRACT)) else { return Ok(()) };
    let refused = |code, why: &str| Err(Refusal::new(code, format!("the component uses `{name}`, but {why}")));
    match Version::parse(version) {
        Ok(wanted) if wanted.major > HAS.major => refused(
            Refusal::NEWER_CONTRACT,
            &format!(
                "this hub has version {HAS} of `{interface}`: it needs a newer hub, or a build for version {}",
                HAS.major
            ),
        ),
        Ok(wanted) if (wanted.major, wanted.minor) > (HAS.major, HAS.minor) => refused(
            Refusal::NEWER_CONTRACT,
            &format!("this hub has version {HAS} of `{interface}`: it needs a newer hub"),
        ),
        Ok(wanted) if wanted.major == HAS.major => Ok(()),
        _ => refused(
            Refusal::UNKNOWN_CONTRACT,
            &format!("this hub knows no such version of `{interface}`, only {HAS}: build it again with its SDK"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_of_a_version_that_the_hub_has() {
        let code = |name| check(name).map_err(|refusal| refusal.code);
        for fits in ["openhub:log/log@1.0.0", "openhub:log/log@1.0.9", "openhub:log/log", "wasi:io/poll@9.0.0", "run"] {
            assert_eq!(code(fits), Ok(()), "{fits}");
        }
        for newer in ["openhub:log/log@2.0.0", "openhub:types/types@1.1.0"] {
            assert_eq!(code(newer), Err(Refusal::NEWER_CONTRACT), "{newer}");
        }
        for unknown in ["openhub:log/log@0.9.0", "openhub:log/log@next"] {
            assert_eq!(code(unknown), Err(Refusal::UNKNOWN_CONTRACT), "{unknown}");
        }
    }
}
