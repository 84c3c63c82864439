//! Checks of a lane whose entries were removed, and of a server that was replaced.

use super::{OpenedLane, texts};
use crate::log::Lane;
use crate::log::shared::{Append, Engine, EngineError};

/// Checks that a node can continue after `replace` has restarted, flushed or exchanged the server:
/// nothing is read or appended in the generation from before, and the new one has later ids.
///
/// ```no_run
/// # async fn check(engine: impl ws_server::cluster::Engine, restart: impl AsyncFnOnce()) {
/// ws_server::testkit::engines::check_replaced(&engine, restart).await;
/// # }
/// ```
///
/// # Panics
///
/// Panics if the engine violates the contract of [`Engine`].
pub async fn check_replaced(engine: &impl Engine, replace: impl AsyncFnOnce()) {
    let lane = OpenedLane::open(engine, Lane(0)).await;
    let last = lane.append("before").await;
    let before = lane.opened;
    replace().await;
    // Until the engine has noticed, a command may fail, but must not succeed.
    let append = lane.entry("of the generation before");
    let refused = until_known(async || engine.append(&append).await).await;
    assert_eq!(refused, Err(EngineError::Generation), "an append succeeds");
    let from = lane.from(last);
    let refused = until_known(async || match engine.read(&[from], 64).await {
        // A read that waits may notice it later.
        Ok(read) if read[0].entries.is_empty() => Err(EngineError::Unknown("".into())),
        read => read,
    });
    assert_eq!(
        refused.await,
        Err(EngineError::Generation),
        "a read succeeds"
    );
    let opened = until_known(async || engine.open(Lane(0)).await).await;
    let opened = opened.expect("`open` fails");
    assert_ne!(opened.generation, before.generation);
    assert!(opened.start > last, "{opened:?} is not behind {last:?}");
    let lane = OpenedLane::open(engine, Lane(0)).await;
    assert_eq!(lane.opened, opened, "the generation has no end");
    // The number of the refused entry is free.
    let append = Append {
        generation: opened.generation,
        ..append
    };
    let id = engine.append(&append).await.expect("`append` fails");
    let next = lane.append("after").await;
    let read = lane.read(opened.start, 64).await;
    let read: Vec<_> = texts(&read).collect();
    let expected = [
        (id, "of the generation before".to_owned()),
        (next, "after".to_owned()),
    ];
    assert_eq!(read, expected);
    let census = lane.census(opened.start).await;
    assert_eq!((census.added, census.last), (opened.added + 2, next));
}

/// Repeats a command while its result is not known, at most for a minute.
async fn until_known<T>(
    command: impl AsyncFn() -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    let mut result = command().await;
    for _ in 0..600 {
        if !matches!(
            result,
            Err(EngineError::NotSent(_) | EngineError::Unknown(_))
        ) {
            break;
        }
        tokio::time::sleep(super::READ_WAIT / 10).await;
        result = command().await;
    }
    result
}

/// Checks that readers can count what `trim` removes: all but the last `keep` entries of a lane.
///
/// ```no_run
/// use ws_server::cluster::{Engine, Lane};
///
/// # async fn check(engine: impl Engine, trim: impl AsyncFn(Lane, usize)) {
/// ws_server::testkit::engines::check_trimmed(&engine, trim).await;
/// # }
/// ```
///
/// # Panics
///
/// Panics if the engine violates the contract of [`Engine`].
pub async fn check_trimmed(engine: &impl Engine, trim: impl AsyncFn(Lane, usize)) {
    let lane = OpenedLane::open(engine, Lane(0)).await;
    let end = lane.end().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(lane.append(&number.to_string()).await);
    }
    trim(lane.lane, 2).await;
    let census = lane.census(end.last).await;
    assert_eq!(census.added, end.added + 5);
    assert_eq!(census.removed, end.added + 3, "the removed entries");
    assert_eq!(census.last, ids[4]);
    let read: Vec<_> = lane.read_all(end.last).await.into_iter().collect();
    assert_eq!(read, [(ids[3], "3".to_owned()), (ids[4], "4".to_owned())]);
    let opened = engine.open(lane.lane).await.expect("`open` fails");
    assert_eq!(opened.generation, lane.opened.generation);
    assert_eq!(opened.added, census.removed);
    assert!(
        opened.start >= ids[2] && opened.start < ids[3],
        "{opened:?}"
    );
    // Everything can be removed, and ids are still not used again.
    trim(lane.lane, 0).await;
    let census = lane.census(ids[4]).await;
    assert_eq!(
        (census.added, census.removed),
        (end.added + 5, end.added + 5)
    );
    assert_eq!(census.last, ids[4], "the last entry of an empty lane");
    let opened = engine.open(lane.lane).await.expect("`open` fails");
    assert_eq!((opened.start, opened.added), (ids[4], census.added));
    assert!(lane.append("next").await > ids[4]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::shared::{FaultyServer, MemoryEngine, Restart};
    use crate::log::{Generation, Lanes};
    use crate::testkit::engines::check_engine;

    #[tokio::test(start_paused = true)]
    async fn the_engine_in_memory_passes() {
        check_engine(&MemoryEngine::new(Lanes::DEFAULT, Generation(1))).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_in_memory_can_be_trimmed_and_restarted() {
        let server = FaultyServer::new(Lanes::DEFAULT, 1);
        let engine = server.connect();
        check_trimmed(&engine, async |lane, keep| server.trim(lane, keep)).await;
        check_replaced(&engine, async || server.restart(Restart::Current)).await;
        server.save();
        check_replaced(&engine, async || server.restart(Restart::Saved)).await;
        check_engine(&engine).await;
    }
}
