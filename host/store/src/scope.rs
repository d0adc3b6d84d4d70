//! The permission to touch a tenant's rows. Only the authentication layer, the command line and the engine
//! make one; every call on a tenant's data asks for it, so that a forgotten filter does not compile.

use openhub_model::TenantId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    tenant: TenantId,
    masked: bool,
}

impl Scope {
    pub const fn of(tenant: TenantId) -> Scope {
        Scope { tenant, masked: false }
    }

    /// The same tenant, without personal data: see `sight`.
    pub const fn without_people(self) -> Scope {
        Scope { masked: true, ..self }
    }

    pub const fn is_masked(&self) -> bool {
        self.masked
    }

    pub const fn tenant(&self) -> TenantId {
        self.tenant
    }
}
