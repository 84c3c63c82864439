//! The result of a push to pages.

use super::receipt::{LoggedReceipt, PublishError};
#[cfg(feature = "cluster")]
use super::receipt::{PublishOutcome, ReceiptKind as _};

/// The result of a push to pages.
#[derive(Debug)]
pub(crate) struct Pushed {
    reached: usize,
    /// `None` if the pages have it already.
    logged: Option<LoggedReceipt>,
}

impl Pushed {
    /// This many pages have accepted it.
    pub(crate) const fn done(reached: usize) -> Self {
        let logged = None;
        Self { reached, logged }
    }

    /// The pages get it when it was read from a log that several servers share.
    #[cfg(feature = "cluster")]
    pub(crate) fn logged(outcome: PublishOutcome) -> Self {
        Self {
            reached: outcome.reached,
            logged: Some(LoggedReceipt::of(outcome)),
        }
    }

    /// The number of pages of this process that have accepted it, or will.
    pub(crate) const fn reached(&self) -> usize {
        self.reached
    }

    /// Waits until the pages of this process have it.
    pub(crate) async fn confirmed(self) -> Result<usize, PublishError> {
        if let Some(receipt) = self.logged {
            receipt.await?;
        }
        Ok(self.reached)
    }
}
