//! The scripts of the session store. Each begins with the same functions.
//!
//! `KEYS[1]` is the common beginning of all keys of sessions. Its hash tag puts them on one server.
//! When the memory is full, Redis refuses a script at its first command that needs memory, unless
//! the script has written before. So scripts that must work then begin with a command that needs
//! none, such as `PEXPIRE`.

use crate::redis::script::Script;

/// The text of a script behind the common functions.
macro_rules! script {
    ($name:literal, $text:literal) => {
        Script::new(
            $name,
            concat!(
                "
local base = KEYS[1]
local all = base .. 'all'
local function session_of(key) return base .. 'session:' .. key end
local function set_of(user) return base .. 'user:' .. redis.sha1hex(user) end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function text(number) return string.format('%.0f', number) end
local function extend(key, ttl)
  if redis.call('PTTL', key) == -1 then redis.call('PEXPIRE', key, ttl)
  else redis.call('PEXPIRE', key, ttl, 'GT') end
end
local function index(key, ttl)
  redis.call('ZADD', all, text(now() + ttl), key)
  extend(all, ttl)
end
local function join_user(user, key, ttl)
  local set = set_of(user)
  redis.call('SADD', set, key)
  extend(set, ttl)
  for _, other in ipairs(redis.call('SRANDMEMBER', set, 8)) do
    if redis.call('EXISTS', session_of(other)) == 0 then redis.call('SREM', set, other) end
  end
end
local function is_at(key, id, renewals)
  local found = redis.call('HMGET', session_of(key), 'id', 'renewals')
  return found[1] == id and found[2] == renewals
end
local function touch(key, ttl)
  redis.call('PEXPIRE', session_of(key), ttl)
  index(key, ttl)
  local user = redis.call('HGET', session_of(key), 'user')
  if user then extend(set_of(user), ttl) end
end
local function remove(key)
  local user = redis.call('HGET', session_of(key), 'user')
  redis.call('DEL', session_of(key))
  redis.call('ZREM', all, key)
  if user then redis.call('SREM', set_of(user), key) end
end
local function record(key)
  local fields = redis.call('HGETALL', session_of(key))
  table.insert(fields, 'now')
  table.insert(fields, text(now()))
  return fields
end
",
                $text
            ),
        )
    };
}

/// Arguments: key, ttl, id, renewals, version, secret, `user` or an empty text, the user, and the
/// names and values. Returns 1, or 0 if the key is taken. Removes some expired keys from the index.
pub(super) static CREATE: Script = script!(
    "create",
    "
local key, ttl = ARGV[1], tonumber(ARGV[2])
local session = session_of(key)
if redis.call('EXISTS', session) == 1 then return 0 end
redis.call('HSET', session, 'id', ARGV[3], 'renewals', ARGV[4], 'version', ARGV[5],
  'secret', ARGV[6], 'born', text(now()))
for i = 9, #ARGV, 2 do redis.call('HSET', session, 'v:' .. ARGV[i], ARGV[i + 1]) end
if ARGV[7] == 'user' then redis.call('HSET', session, 'user', ARGV[8]) end
redis.call('PEXPIRE', session, ttl)
for _, old in ipairs(redis.call('ZRANGEBYSCORE', all, '-inf', text(now()), 'LIMIT', 0, 16)) do
  redis.call('ZREM', all, old)
end
index(key, ttl)
if ARGV[7] == 'user' then join_user(ARGV[8], key, ttl) end
return 1
"
);

/// Arguments: key, ttl. Returns the fields, or nothing.
pub(super) static LOAD: Script = script!(
    "load",
    "
local key = ARGV[1]
if redis.call('EXISTS', session_of(key)) == 0 then return false end
touch(key, tonumber(ARGV[2]))
return record(key)
"
);

/// Arguments: key, ttl, id. Returns 1, or 0 if the key does not hold the session.
pub(super) static TOUCH: Script = script!(
    "touch",
    "
local key = ARGV[1]
if redis.call('HGET', session_of(key), 'id') ~= ARGV[3] then return 0 end
touch(key, tonumber(ARGV[2]))
return 1
"
);

/// Arguments: key, id, renewals, name, and the value if there is one. Returns the version, or
/// nothing.
pub(super) static SET: Script = script!(
    "set",
    "
local key = ARGV[1]
if not is_at(key, ARGV[2], ARGV[3]) then return false end
local session, field = session_of(key), 'v:' .. ARGV[4]
if ARGV[5] then redis.call('HSET', session, field, ARGV[5])
else redis.call('HDEL', session, field) end
return redis.call('HINCRBY', session, 'version', 1)
"
);

/// Arguments: old key, id, renewals, new key, ttl, and the user if there is one. Returns the
/// fields, or nothing.
pub(super) static RENEW: Script = script!(
    "renew",
    "
local old, new, ttl, user = ARGV[1], ARGV[4], tonumber(ARGV[5]), ARGV[6]
if not is_at(old, ARGV[2], ARGV[3]) then return false end
local session = session_of(old)
local before = redis.call('HGET', session, 'user')
redis.call('PEXPIRE', session, ttl)
redis.call('HINCRBY', session, 'renewals', 1)
redis.call('HSET', session, 'born', text(now()))
if user then redis.call('HSET', session, 'user', user)
else redis.call('HDEL', session, 'user') end
if before then redis.call('SREM', set_of(before), old) end
if new ~= old then
  redis.call('RENAME', session, session_of(new))
  redis.call('ZREM', all, old)
end
index(new, ttl)
if user then join_user(user, new, ttl) end
return record(new)
"
);

/// Arguments: key, id, renewals. Returns 1, or 0 if the key does not hold the session.
pub(super) static REMOVE_GENERATION: Script = script!(
    "remove_generation",
    "
local key = ARGV[1]
if not is_at(key, ARGV[2], ARGV[3]) then return 0 end
remove(key)
return 1
"
);

/// Arguments: key. Returns the id, or nothing.
pub(super) static REMOVE: Script = script!(
    "remove",
    "
local key = ARGV[1]
local id = redis.call('HGET', session_of(key), 'id')
if id then remove(key) end
return id
"
);

/// Arguments: user. Returns the ids. The set may contain sessions of another user whose name has
/// the same hash.
pub(super) static REMOVE_USER: Script = script!(
    "remove_user",
    "
local ids = {}
for _, key in ipairs(redis.call('SMEMBERS', set_of(ARGV[1]))) do
  local found = redis.call('HMGET', session_of(key), 'user', 'id')
  if found[1] == ARGV[1] then
    remove(key)
    table.insert(ids, found[2])
  end
end
return ids
"
);

/// Returns the number of sessions that have not expired.
pub(super) static COUNT: Script = script!(
    "count",
    "return redis.call('ZCOUNT', all, '(' .. text(now()), '+inf')"
);
