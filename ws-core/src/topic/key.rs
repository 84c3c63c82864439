//! What identifies a topic in a hub.

use std::any::TypeId;
use std::marker::PhantomData;
use std::sync::Arc;

use super::declaration::Declaration;
use crate::log::{HistoryLimits, TopicName};

/// Identifies a topic: its name and its type, or its name and declaration.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum TopicKey {
    /// A `Topic<T>` with the type of its values.
    Local(TypeId, Arc<str>),
    /// A declared topic. The names of different declarations differ.
    Declared(TopicName),
    /// The members of a declared topic, for their watchers.
    Members(TopicName),
}

impl TopicKey {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Local(_, name) => name,
            Self::Declared(name) | Self::Members(name) => name.as_str(),
        }
    }
}

/// The declaration of a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Declared {
    /// By this program: with the type that carries it.
    Here {
        declaration: &'static Declaration,
        id: TypeId,
    },
    /// By another node: what this one knows of it.
    #[cfg(feature = "cluster")]
    Elsewhere {
        kept: Option<HistoryLimits>,
        is_logged: bool,
    },
}

impl Declared {
    pub(super) const fn kept(&self) -> Option<HistoryLimits> {
        match self {
            Self::Here { declaration, .. } => declaration.kept(),
            #[cfg(feature = "cluster")]
            Self::Elsewhere { kept, .. } => *kept,
        }
    }

    pub(super) const fn is_logged(&self) -> bool {
        match self {
            Self::Here { declaration, .. } => declaration.is_logged(),
            #[cfg(feature = "cluster")]
            Self::Elsewhere { is_logged, .. } => *is_logged,
        }
    }
}

/// The topic of one call.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct TopicRef<T: ?Sized> {
    pub(crate) key: TopicKey,
    pub(super) declared: Option<Declared>,
    values: PhantomData<fn(&T)>,
}

impl<T: ?Sized> TopicRef<T> {
    /// The topic without the type of its values.
    pub(super) fn untyped(self) -> TopicRef<()> {
        TopicRef {
            key: self.key,
            declared: self.declared,
            values: PhantomData,
        }
    }
}

impl<T: 'static> TopicRef<T> {
    pub(super) fn local(name: Arc<str>) -> Self {
        Self {
            key: TopicKey::Local(TypeId::of::<T>(), name),
            declared: None,
            values: PhantomData,
        }
    }

    pub(super) fn declared(name: TopicName, declared: Declared) -> Self {
        Self {
            key: TopicKey::Declared(name),
            declared: Some(declared),
            values: PhantomData,
        }
    }
}

#[cfg(feature = "cluster")]
impl TopicRef<()> {
    /// A topic that another node has declared.
    pub(super) const fn elsewhere(
        name: TopicName,
        kept: Option<HistoryLimits>,
        is_logged: bool,
    ) -> Self {
        Self {
            key: TopicKey::Declared(name),
            declared: Some(Declared::Elsewhere { kept, is_logged }),
            values: PhantomData,
        }
    }
}
