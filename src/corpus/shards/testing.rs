//! Shards for tests of what reads them.

use std::sync::Arc;

use crate::corpus::shards::Shard;
use crate::corpus::shards::writer::{Encoded, ShardWriter};

/// A shard of just these tokens.
pub(crate) fn shard_of(tokens: &[u32]) -> Arc<Shard> {
    let folder = tempfile::tempdir().unwrap();
    let vocabulary = tokens.iter().max().map_or(1, |&last| last as usize + 1);
    let mut writer = ShardWriter::create(folder.path(), "test", vocabulary, None).unwrap();
    let document = Encoded { tokens: tokens.to_vec(), bytes: tokens.len() as u64, file: 0, continues: false };
    writer.append(&document, 0).unwrap();
    writer.finish().unwrap();
    Arc::new(Shard::open(folder.path(), "test").unwrap())
}
