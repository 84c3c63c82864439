//! The scripts of the engine.

use crate::redis::script::Script;

/// Functions that several scripts have in common.
macro_rules! common {
    () => {
        "
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function text(number) return string.format('%.0f', number) end
local function fields(entry, seal)
  if seal == '' then return 'e', entry end
  return 'e', entry, 's', seal
end
local function info_of(log)
  local info = redis.pcall('XINFO', 'STREAM', log)
  if info.err then return nil end
  local fields = {}
  for i = 1, #info, 2 do fields[info[i]] = info[i + 1] end
  return fields
end
"
    };
}

/// Keys: the generation's record, the beginning of the keys of logs, relayed entries. Arguments:
/// process and replication id of the server, another generation, its marker, the highest known
/// time, time to live, seal of the marker; then what the engine knows: the ids of the server on which it has
/// opened the lane last, its generation there, `moved` if that server has handed over the slot, and the
/// last entry that it has seen.
///
/// Begins another generation unless the log exists, and the record is that of this server, or of one that
/// has handed it over. Of a log that was handed over, the record names the former servers: an engine that
/// has opened it on another one has seen entries that this server may not have. Returns nothing if it would
/// change the record, but the server has other ids by now: those of an old connection and those of a new one
/// would replace each other's generation for ever. Else returns the generation, the numbers of added and
/// existing entries, the ids of the first and the last entry, and of the last relayed one.
pub(super) static OPEN: Script = Script::new(
    "open",
    concat!(
        common!(),
        "
local function id_of(section, name)
  return string.match(redis.call('INFO', section), name .. ':(%x+)')
end
local function is_before(one, other)
  local time, sequence = string.match(one, '(%d+)-(%d+)')
  local other_time, other_sequence = string.match(other, '(%d+)-(%d+)')
  time, other_time = tonumber(time), tonumber(other_time)
  return time < other_time or time == other_time and tonumber(sequence) < tonumber(other_sequence)
end
local found = redis.call('HMGET', KEYS[1], 'run', 'replication', 'generation', 'former')
local generation, former, info = found[3], found[4] or '', nil
if generation then info = info_of(KEYS[2] .. generation) end
local server, recorded = ARGV[1] .. ' ' .. ARGV[2], (found[1] or '') .. ' ' .. (found[2] or '')
local known = ARGV[8]
local is_whole = info and (known == '' or ARGV[9] ~= generation or known == recorded
  or string.find(former, known, 1, true))
local is_here = is_whole and recorded == server
if not is_here and (id_of('server', 'run_id') ~= ARGV[1]
  or id_of('replication', 'master_replid') ~= ARGV[2]) then return {} end
if not is_here and is_whole and known == recorded and ARGV[9] == generation and ARGV[10] == 'moved'
  and not is_before(info['last-generated-id'], ARGV[11]) then
  former = string.sub(former .. recorded .. ',', -1024)
  redis.call('HSET', KEYS[1], 'run', ARGV[1], 'replication', ARGV[2], 'former', former)
  is_here = true
end
if not is_here then
  local floor = tonumber(ARGV[5])
  if info then
    floor = math.max(floor, tonumber(string.match(info['last-generated-id'], '%d+')))
    redis.call('UNLINK', KEYS[2] .. generation)
  end
  local id = '*'
  if floor >= now() then id = text(floor + 1) .. '-0' end
  generation = ARGV[3]
  redis.call('XADD', KEYS[2] .. generation, id, fields(ARGV[4], ARGV[7]))
  redis.call('HSET', KEYS[1], 'run', ARGV[1], 'replication', ARGV[2], 'generation', generation)
  redis.call('HDEL', KEYS[1], 'former')
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
  redis.call('PEXPIRE', KEYS[2] .. generation, ARGV[6])
  info = info_of(KEYS[2] .. generation)
end
local first = info['first-entry'] and info['first-entry'][1] or info['last-generated-id']
local relayed = info_of(KEYS[3])
return {generation, text(info['entries-added']), text(info['length']), first,
  info['last-generated-id'], relayed and relayed['last-generated-id'] or '0-0'}
"
    ),
);

/// Keys: log, the last number whose messages were kept, histories. Arguments: entry, seal, number,
/// time to live of the number; for each history: length, time to live, number of messages,
/// messages. Returns the id, or nothing if the log does not exist. An error of a command after the
/// first write is returned with the code `PARTIAL` in front: the entry is in the log.
pub(super) static APPEND: Script = Script::new(
    "append",
    concat!(
        common!(),
        "
local id = redis.call('XADD', KEYS[1], 'NOMKSTREAM', '*', fields(ARGV[1], ARGV[2]))
if not id then return false end
local function keep()
  if tonumber(ARGV[3]) <= tonumber(redis.call('GET', KEYS[2]) or '0') then return end
  redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
  local at, prefix = 5, id .. ' '
  for i = 3, #KEYS do
    local count, kept = tonumber(ARGV[at + 2]), {}
    for k = 1, count do kept[k] = prefix .. ARGV[at + 2 + k] end
    if redis.call('RPUSH', KEYS[i], unpack(kept)) > tonumber(ARGV[at]) then
      redis.call('LTRIM', KEYS[i], -ARGV[at], -1)
    end
    redis.call('PEXPIRE', KEYS[i], ARGV[at + 1])
    at = at + 3 + count
  end
end
local kept, failure = pcall(keep)
if kept then return id end
return redis.error_reply('PARTIAL ' .. (type(failure) == 'table' and failure.err or failure))
"
    ),
);

/// Keys: logs. Returns for each the numbers of added and existing entries and the id of the last
/// one, or nothing if it does not exist.
pub(super) static CENSUS: Script = Script::new(
    "census",
    concat!(
        common!(),
        "
local all = {}
for i, log in ipairs(KEYS) do
  local info = info_of(log)
  all[i] = info and {text(info['entries-added']), text(info['length']), info['last-generated-id']}
    or false
end
return all
"
    ),
);

/// Keys: log, the generation's record, relayed entries. Arguments: age in milliseconds, size in
/// bytes, time to live, `full` if at most half of the size and no relayed entry may remain, and the age
/// of relayed entries. Leaves at least one entry. Begins with commands that need no memory.
/// `max-deleted-entry-id` does not change here, but the number of entries does.
pub(super) static TRIM: Script = Script::new(
    "trim",
    concat!(
        common!(),
        "
if ARGV[4] == 'full' then redis.call('XTRIM', KEYS[3], 'MAXLEN', 0)
else redis.call('XTRIM', KEYS[3], 'MINID', '~', text(now() - ARGV[5])) end
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('XTRIM', KEYS[1], 'MINID', '~', text(now() - ARGV[1]))
local size, limit = redis.call('MEMORY', 'USAGE', KEYS[1]), tonumber(ARGV[2])
if ARGV[4] == 'full' then limit = math.min(limit, size / 2) end
if size > limit then
  local length = redis.call('XLEN', KEYS[1])
  local left = math.max(1, math.floor(length * limit * 0.9 / size))
  redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', left)
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[3]) end
return 1
"
    ),
);

/// Key: history. Argument: the number of messages. Returns the time and the messages.
pub(super) static HISTORY: Script = Script::new(
    "history",
    concat!(
        common!(),
        "return {text(now()), redis.call('LRANGE', KEYS[1], -ARGV[1], -1)}"
    ),
);

/// Keys: the nodes, the beginning of the keys of their members. Arguments: node, time to live; for
/// each run of changes `HSET` with keys and values, or `HDEL` with keys, behind their number.
pub(super) static RECORD_MEMBERS: Script = Script::new(
    "record_members",
    "
local members, at = KEYS[2] .. ARGV[1], 3
redis.call('SADD', KEYS[1], ARGV[1])
while at < #ARGV do
  local last = at + 1 + tonumber(ARGV[at + 1])
  redis.call(ARGV[at], members, unpack(ARGV, at + 2, last))
  at = last + 1
end
redis.call('PEXPIRE', members, ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
",
);

/// Keys: the nodes, the beginning of the keys of their members. Arguments: node.
pub(super) static REMOVE_MEMBERS: Script = Script::new(
    "remove_members",
    "
redis.call('UNLINK', KEYS[2] .. ARGV[1])
redis.call('SREM', KEYS[1], ARGV[1])
return 1
",
);

/// Keys: the nodes, the beginning of the keys of their members. Returns pairs of a node and its
/// members, and forgets nodes whose members have expired.
pub(super) static ALL_MEMBERS: Script = Script::new(
    "all_members",
    "
local all = {}
for _, node in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local members = redis.call('HGETALL', KEYS[2] .. node)
  if #members == 0 then redis.call('SREM', KEYS[1], node)
  else table.insert(all, {node, members}) end
end
return all
",
);

/// Key: the layout. Arguments: that of this engine, time to live. Returns the one that all engines
/// must have. Begins with commands that need no memory.
pub(super) static LAYOUT: Script = Script::new(
    "layout",
    "
local layout = redis.call('GET', KEYS[1])
if layout == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if layout then return layout end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
",
);
