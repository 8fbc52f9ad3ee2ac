//! A compiled plugin, from which sessions are opened.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{Component, Instance, InstancePre};

use crate::bindings::exports::modelyard::lifecycle::{
    documentation, evaluation, features, feedback, function, governance, ingestion, monitoring, retirement,
    scoring, selection, training,
};
use crate::call;
use crate::error::{CallError, Error, Fault};
use crate::grants::Grants;
use crate::host::State;
use crate::kind::{Capability, Kind};
use crate::options::Limits;
use crate::runtime::{Linked, Runtime};
use crate::session::Session;
use crate::types::Description;

macro_rules! kinds {
    ($($kind:ident $module:ident,)*) => {
        /// Where a component's exports are, looked up once.
        enum Indices {
            $($kind($module::GuestIndices),)*
        }

        /// The exports of one instance.
        pub(crate) enum Guest {
            $($kind($module::Guest),)*
        }

        impl Indices {
            fn new(kind: Kind, pre: &InstancePre<State>) -> wasmtime::Result<Indices> {
                match kind {
                    $(Kind::$kind => $module::GuestIndices::new(pre).map(Indices::$kind),)*
                }
            }

            fn load(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<Guest> {
                match self {
                    $(Indices::$kind(indices) => indices.load(store, instance).map(Guest::$kind),)*
                }
            }
        }

        impl Guest {
            pub(crate) async fn describe(&self, store: &mut Store<State>) -> wasmtime::Result<Description> {
                match self {
                    $(Guest::$kind(guest) => guest.call_describe(store).await,)*
                }
            }
        }
    };
}

kinds! {
    Ingestion ingestion,
    Features features,
    Selection selection,
    Training training,
    Evaluation evaluation,
    Scoring scoring,
    Function function,
    Monitoring monitoring,
    Feedback feedback,
    Governance governance,
    Documentation documentation,
    Retirement retirement,
}

/// A compiled plugin. Cheap to clone.
#[derive(Clone)]
pub struct Plugin(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) runtime: Runtime,
    digest: String,
    kind: Kind,
    capabilities: Vec<Capability>,
    pre: InstancePre<State>,
    indices: Indices,
}

impl Inner {
    pub(crate) fn new(runtime: Runtime, digest: &str, component: &Component) -> Result<Inner, Error> {
        let Linked { kind, capabilities, pre } = runtime.link(component)?;
        let indices = Indices::new(kind, &pre).map_err(|error| Error::Compile(format!("{error:#}")))?;
        Ok(Inner { runtime, digest: digest.to_owned(), kind, capabilities, pre, indices })
    }
}

impl Plugin {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Its digest.
    pub fn digest(&self) -> &str {
        &self.0.digest
    }

    /// What it needs from outside the sandbox.
    pub fn capabilities(&self) -> &[Capability] {
        &self.0.capabilities
    }

    /// What the plugin says of itself.
    ///
    /// # Errors
    /// As a call: the plugin may trap even here.
    pub async fn describe(&self) -> Result<Description, CallError> {
        // Nothing is granted, so that whatever it imports does nothing.
        let mut session = self.open(Limits::small(), Grants::none()).await?;
        session.describe().await
    }

    /// Opens a short-lived session: an instance of its own and what is lent to
    /// it. The limits hold for each call of the session.
    ///
    /// # Errors
    /// [`Error::NotGranted`] names a capability that the plugin imports and
    /// isn't granted; [`Error::Busy`] when no place for an instance comes free
    /// within the deadline; [`Error::Instantiate`].
    pub async fn session(&self, limits: Limits, grants: Grants) -> Result<Session, Error> {
        let refused = self.0.capabilities.iter().find(|capability| match capability {
            Capability::Log => !grants.log,
            Capability::Progress => grants.progress.is_none(),
            Capability::Objects => grants.objects.is_none(),
            Capability::Wasi(_) => !grants.wasi,
            Capability::Tables => false,
        });
        match refused {
            Some(refused) => Err(Error::NotGranted(refused.clone())),
            None => self.open(limits, grants).await,
        }
    }

    async fn open(&self, limits: Limits, grants: Grants) -> Result<Session, Error> {
        let runtime = &self.0.runtime;
        let place = runtime.0.budget.place_within(limits.deadline).await?;
        let mut store = call::store(&runtime.0.engine, &runtime.0.budget, limits, grants);
        let deadline = call::arm(&mut store);
        let made = self.0.pre.instantiate_async(&mut store);
        let fault = match call::run(&runtime.0.ticker, deadline, made).await.0 {
            Some(Ok(instance)) => {
                let guest = self.0.indices.load(&mut store, &instance);
                let guest = guest.map_err(|error| Error::Compile(format!("it does not fit: {error:#}")))?;
                return Ok(Session::new(self.clone(), limits, store, guest, place));
            }
            Some(Err(error)) => call::fault(&mut store, &error),
            None => Fault::Deadline(limits.deadline),
        };
        let log = std::mem::take(&mut store.data_mut().log);
        Err(Error::Instantiate(CallError { fault, log }))
    }
}
