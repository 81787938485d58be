// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

@testable import Sandbox

/// Control groups of both versions, on a folder of plain files in the place of the kernel's.
struct ControlGroupTests {
    private static let version1 = """
        24 30 0:21 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
        25 30 0:22 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
        26 30 0:23 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
        27 30 0:24 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
        """

    @Test func `finds every controller of the first version where it is mounted`() {
        let found = Hierarchies(
            membership: "9:name=systemd:/x\n4:memory:/a/b\n3:cpu,cpuacct:/\n8:pids:/p\n0::/\n", mounts: Self.version1,
            controllers: { _ in "" })
        #expect(
            found.found == [
                .init(isVersion2: false, controllers: ["memory"], folder: "/sys/fs/cgroup/memory/a/b"),
                .init(isVersion2: false, controllers: ["cpu", "cpuacct"], folder: "/sys/fs/cgroup/cpu,cpuacct"),
                .init(isVersion2: false, controllers: ["pids"], folder: "/sys/fs/cgroup/pids/p"),
            ])
    }

    @Test func `finds the one hierarchy of the second version with what it has`() {
        let found = Hierarchies(
            membership: "0::/system.slice/gatehouse.service\n",
            mounts: "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
            controllers: { $0 == "/sys/fs/cgroup/system.slice/gatehouse.service" ? "cpuset cpu io memory pids\n" : nil }
        )
        #expect(
            found.found == [
                .init(
                    isVersion2: true, controllers: ["cpu", "cpuacct", "memory", "pids"],
                    folder: "/sys/fs/cgroup/system.slice/gatehouse.service")
            ])
    }

    @Test func `finds nothing in what is none`() {
        for text in ["", "nonsense", "4:memory", ":::::", "0::/\n"] {
            #expect(Hierarchies(membership: text, mounts: text, controllers: { _ in nil }).found.isEmpty)
        }
    }

    /// What a run of the second version writes, and where its figures are read.
    @Test func `writes the limits of a run and reads its figures`() throws {
        let directory = try TemporaryDirectory()
        let top = directory.path
        try Self.write("", to: top + "/cgroup.subtree_control")
        let ids = KeeperIdentity(userID: getuid(), groupID: getgid(), isChange: false)
        let own = "\(top)/gatehouse-sandbox/7"
        // The kernel makes these files; here they are there before.
        for folder in ["/gatehouse-sandbox", "/gatehouse-sandbox/7"] {
            #expect(unsafe mkdir(top + folder, 0o755) == 0)
            try Self.write("", to: top + folder + "/cgroup.subtree_control")
        }
        #expect(unsafe rename(own, top + "/kept") == 0)
        let hierarchies = Hierarchies(
            membership: "0::/\n", mounts: "30 23 0:26 / \(top) rw - cgroup2 cgroup2 rw\n",
            controllers: { _ in "cpu memory pids" })
        #expect(hierarchies.found.count == 1)
        // Without the kernel's files in it, a new group cannot be used: the limits are then held without groups.
        let groups = ControlGroups(hierarchies, process: 7, owner: ids)
        #expect(groups.enforcements == Enforcements())
        #expect(SmallFile.number("oom_kill", in: "low 0\noom 3\noom_kill 2\n") == 2)
        #expect(SmallFile.number("usage_usec", in: "usage_usec 1500\nuser_usec 7\n") == 1500)
        #expect(SmallFile.number("oom_kill", in: "oom_kill_disable 0\n") == nil)
    }

    private static func write(_ text: String, to path: String) throws {
        let file = unsafe open(path, O_WRONLY | O_CREAT, 0o644)
        try #require(file >= 0)
        defer { close(file) }
        let bytes = Array(text.utf8)
        #expect(unsafe Glibc.write(file, bytes, bytes.count) == bytes.count)
    }
}
