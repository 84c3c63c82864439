//! The base path: the path below which browsers find the server.

/// A path such as `/live`, or none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct BasePath(String);

impl BasePath {
    /// Reads a base path.
    ///
    /// # Errors
    ///
    /// Returns a description of the error.
    pub(crate) fn parse(path: &str) -> Result<Self, &'static str> {
        check(path)?;
        Ok(Self(path.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the path without the base. A proxy may have removed the base already, so a path
    /// without it is returned unchanged.
    pub(crate) fn strip<'p>(&self, path: &'p str) -> &'p str {
        match path.strip_prefix(&*self.0) {
            Some("") => "/",
            Some(rest) if rest.starts_with('/') => rest,
            _ => path,
        }
    }
}

/// Checks that a path consists of segments that URLs contain unescaped: `/live`, `/apps/live`.
///
/// # Errors
///
/// Returns a description of the error.
pub(crate) fn check(path: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let Some(segments) = path.strip_prefix('/') else {
        return Err("it must begin with `/`");
    };
    if segments.is_empty() || segments.ends_with('/') {
        return Err("it must not end with `/`");
    }
    for segment in segments.split('/') {
        match segment {
            "" => return Err("it has an empty segment"),
            "." | ".." => return Err("it has a segment that URLs resolve, `.` or `..`"),
            _ if segment.bytes().all(plain) => {}
            _ => return Err("it must consist of letters, digits and `-._~` between its slashes"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_plain_segments() {
        for right in ["/live", "/apps/live", "/v1.2~x_-"] {
            assert_eq!(
                BasePath::parse(right).map(|base| base.0),
                Ok(right.to_owned())
            );
        }
        for (wrong, why) in [
            ("", "begin with `/`"),
            ("live", "begin with `/`"),
            ("https://example.com/live", "begin with `/`"),
            ("/", "end with `/`"),
            ("/live/", "end with `/`"),
            ("/apps//live", "empty segment"),
            ("/apps/../live", "`.` or `..`"),
            ("/l%69ve", "letters, digits"),
            ("/live?x", "letters, digits"),
            ("/l ve", "letters, digits"),
        ] {
            let found = BasePath::parse(wrong).unwrap_err();
            assert!(found.contains(why), "{wrong}: {found}");
        }
    }

    #[test]
    fn only_a_whole_base_is_stripped() {
        let base = BasePath::parse("/live").unwrap();
        for (path, expected) in [
            ("/live", "/"),
            ("/live/", "/"),
            ("/live/rooms/7", "/rooms/7"),
            ("/live/live", "/live"),
            ("/rooms/7", "/rooms/7"),
            ("/lively", "/lively"),
            ("/", "/"),
            ("*", "*"),
        ] {
            assert_eq!(base.strip(path), expected, "{path}");
        }
        for path in ["/", "/rooms", "//rooms", "*"] {
            assert_eq!(BasePath::default().strip(path), path);
        }
    }
}
