//! How much memory the process may have.

use std::fs;
use std::path::{Path, PathBuf};

/// Memory that the process may have, in bytes: that of the machine, or the limit of a control group that the process is
/// in; `None`: neither can be seen.
pub fn available_memory() -> Option<u64> {
    [machine_memory(), group_memory()].into_iter().flatten().min()
}

/// Memory of the machine in bytes.
fn machine_memory() -> Option<u64> {
    total_memory(&fs::read_to_string("/proc/meminfo").ok()?)
}

/// `proc(5)`: the kernel's `kB` are 1,024 bytes.
fn total_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// The lowest limit of the control groups that the process is in; `None`: there is none, or it cannot be seen.
fn group_memory() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    lowest_limit(Path::new("/sys/fs/cgroup"), &groups)
}

/// The lowest limit in the groups named by `groups`, the text of `/proc/self/cgroup`, and in those around them.
///
/// Version 2 has one line, `0::/path`. Version 1 has a line for each controller, `N:memory:/path`. In a container the path
/// may be the host's; then the group itself is what is mounted.
fn lowest_limit(root: &Path, groups: &str) -> Option<u64> {
    let lines = groups.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        Some((parts.next()?, parts.next()?))
    });
    let limits = lines.flat_map(|(controllers, path)| {
        let (base, file) = if controllers.is_empty() {
            (root.to_owned(), "memory.max")
        } else if controllers.split(',').any(|controller| controller == "memory") {
            (root.join("memory"), "memory.limit_in_bytes")
        } else {
            return Vec::new();
        };
        let group = base.join(path.trim_start_matches('/'));
        let around: Vec<PathBuf> = group.ancestors().take_while(|dir| dir.starts_with(&base)).map(Into::into).collect();
        around.iter().filter_map(|dir| limit(&dir.join(file))).collect()
    });
    limits.min()
}

/// What a file says: a number of bytes. `max` is none.
fn limit(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lowest limit for a process in these groups, where these files are.
    fn lowest(groups: &str, files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in files {
            let file = root.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        lowest_limit(root.path(), groups)
    }

    #[test]
    fn the_lowest_limit_of_all_groups_around_the_process_counts() {
        let unit = ("system.slice/fastway.service/memory.max", "536870912\n");
        let slice = ("system.slice/memory.max", "268435456\n");
        let none = ("system.slice/memory.max", "max\n");
        let here = "0::/system.slice/fastway.service\n";
        assert_eq!(lowest(here, &[unit, none]), Some(512 << 20));
        assert_eq!(lowest(here, &[unit, slice]), Some(256 << 20));
        assert_eq!(lowest(here, &[none]), None);
        assert_eq!(lowest("0::/\n", &[("memory.max", "1048576\n")]), Some(1 << 20), "in a container");
        assert_eq!(lowest("0::/../../host\n", &[("memory.max", "1048576\n")]), Some(1 << 20), "the host's path");
    }

    #[test]
    fn the_older_groups_name_their_controllers() {
        let groups = "5:cpu,cpuacct:/a\n4:memory:/docker/b\n0::/\n";
        let limit = ("memory/docker/b/memory.limit_in_bytes", "1073741824\n");
        let no_limit = ("memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(lowest(groups, &[limit, no_limit]), Some(1 << 30));
        assert_eq!(lowest(groups, &[no_limit]), Some(9_223_372_036_854_771_712));
        assert_eq!(lowest("", &[limit]), None);
    }

    #[test]
    fn the_memory_of_the_machine_is_read_in_kilobytes() {
        let text = "MemTotal:       24689764 kB\nMemFree:        22155536 kB\n";
        assert_eq!(total_memory(text), Some(24_689_764 << 10));
        assert_eq!(total_memory("MemFree: 1 kB\n"), None);
        assert_eq!(total_memory("MemTotal: many kB\n"), None);
    }
}
