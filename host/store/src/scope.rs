//! The permission to touch a tenant's rows. Only the authentication layer, the command line and the engine
//! make one; every call on a tenant's data asks for it, so that a forgotten filter does not compile.

use openhub_model::TenantId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    tenant: TenantId,
}

impl Scope {
    pub const fn of(tenant: TenantId) -> Scope {
        Scope { tenant }
    }

    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }
}
