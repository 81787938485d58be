// SPDX-License-Identifier: Apache-2.0

import Glibc
import Support
import Testing

@testable import Sandbox

/// A folder that behaves as a hierarchy of control groups does, as far as a keeper can tell: each new folder has the kernel's
/// files. What is written stays in them, to be looked at.
struct FakeGroups {
    let directory: TemporaryDirectory
    private let isVersion2: Bool
    /// Files that this kernel does not have.
    private let missing: Set<String>

    init(isVersion2: Bool, missing: Set<String> = []) throws {
        directory = try TemporaryDirectory()
        (self.isVersion2, self.missing) = (isVersion2, missing)
        fill(directory.path)
    }

    private var files: [String] {
        let names =
            isVersion2
            ? [
                "cgroup.subtree_control", "memory.max", "memory.swap.max", "memory.oom.group", "memory.events",
                "memory.peak", "pids.events", "pids.current", "pids.peak", "cpu.max", "cpu.stat",
            ]
            : [
                "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.swappiness", "memory.oom_control",
                "memory.max_usage_in_bytes", "pids.events", "pids.current", "cpu.cfs_period_us", "cpu.cfs_quota_us",
                "cpuacct.usage",
            ]
        return names + ["cgroup.procs", "tasks", "pids.max"]
    }

    private func fill(_ folder: String) {
        for name in files where !missing.contains(name) {
            close(unsafe open("\(folder)/\(name)", O_CREAT | O_RDWR, 0o644))
        }
    }

    /// What the keeper makes a group by.
    func make(_ parent: CInt, _ name: String) -> Bool {
        guard unsafe mkdirat(parent, name, 0o755) == 0 else { return false }
        var path = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe readlink("/proc/self/fd/\(parent)", &path, path.count - 1)
        guard count > 0 else { return false }
        fill(String(decoding: path[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self) + "/" + name)
        return true
    }

    /// The hierarchy as `/proc` tells of it.
    var hierarchies: Hierarchies {
        isVersion2
            ? Hierarchies(
                membership: "0::/\n", mounts: "30 23 0:26 / \(directory.path) rw - cgroup2 cgroup2 rw\n",
                controllers: { _ in "cpuset cpu io memory pids" })
            : Hierarchies(
                membership: "4:memory,pids,cpu,cpuacct:/\n",
                mounts: "30 23 0:26 / \(directory.path) rw - cgroup cgroup rw,memory,pids,cpu,cpuacct\n",
                controllers: { _ in nil })
    }

    func read(_ path: String) -> String { WholeFile.text("\(directory.path)/\(path)") }

    func write(_ text: String, to path: String) throws {
        let file = unsafe open("\(directory.path)/\(path)", O_WRONLY | O_TRUNC)
        try #require(file >= 0)
        defer { close(file) }
        let bytes = Array(text.utf8)
        #expect(unsafe Glibc.write(file, bytes, bytes.count) == bytes.count)
    }
}

/// What is written for a run, and what is read of it, on a folder in the place of the kernel's.
struct RunGroupTests {
    private let ids = KeeperIdentity(userID: getuid(), groupID: getgid(), isChange: false)
    private let run = "gatehouse-sandbox/7/run-3"

    private func groups(_ fake: FakeGroups) -> ControlGroups {
        ControlGroups(fake.hierarchies, process: 7, owner: ids, makeFolder: fake.make)
    }

    private func make(_ groups: ControlGroups) throws -> RunGroup {
        try groups.make(run: 3, GroupLimits(memoryBytes: 100 << 20, processes: 10, cpuHundredths: 150))
    }

    @Test func `the second version gets every limit of a run`() throws {
        let fake = try FakeGroups(isVersion2: true)
        let groups = groups(fake)
        #expect(groups.enforcements == Enforcements(memory: .groups2, processes: .groups2, cpu: .groups2))
        for folder in ["", "gatehouse-sandbox/", "gatehouse-sandbox/7/"] {
            #expect(fake.read(folder + "cgroup.subtree_control") == "+cpu +memory +pids")
        }
        let group = try make(groups)
        defer { group.closeFiles() }
        let expected = [
            "memory.max": "104857600", "memory.swap.max": "0", "memory.oom.group": "1", "pids.max": "10",
            "cpu.max": "150000 100000", "cgroup.procs": "",
        ]
        for (name, text) in expected { #expect(fake.read("\(run)/\(name)") == text, "\(name)") }
        try group.join(isBornThere: true)
        #expect(fake.read("\(run)/cgroup.procs") == "")
        // No group of the kernel's: nobody is born there.
        let (process, isBornThere) = group.fork()
        if process == 0 { _exit(0) }
        #expect(!isBornThere && process > 0)
        waitpid(process, nil, 0)
        try group.join(isBornThere: isBornThere)
        #expect(fake.read("\(run)/cgroup.procs") == "0")
    }

    @Test func `the second version's figures are read`() throws {
        let fake = try FakeGroups(isVersion2: true)
        let group = try make(groups(fake))
        defer { group.closeFiles() }
        try fake.write("low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 1\n", to: run + "/memory.events")
        try fake.write("usage_usec 1500\nuser_usec 900\n", to: run + "/cpu.stat")
        try fake.write("4096\n", to: run + "/memory.peak")
        try fake.write("max 5\n", to: run + "/pids.events")
        try fake.write("7\n", to: run + "/pids.peak")
        #expect(group.outOfMemoryKills == 2 && group.cpuNanoseconds == 1_500_000 && group.memoryPeakBytes == 4096)
        #expect(group.processesRefused == 5 && group.processesPeak == 7 && group.holdsMemory && group.countsProcesses)
    }

    @Test func `the first version gets every limit of a run`() throws {
        let fake = try FakeGroups(isVersion2: false)
        let groups = groups(fake)
        #expect(groups.enforcements == Enforcements(memory: .groups1, processes: .groups1, cpu: .groups1))
        let group = try make(groups)
        defer { group.closeFiles() }
        let expected = [
            "memory.limit_in_bytes": "104857600", "memory.memsw.limit_in_bytes": "104857600", "memory.swappiness": "0",
            "pids.max": "10", "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "150000",
        ]
        for (name, text) in expected { #expect(fake.read("\(run)/\(name)") == text, "\(name)") }
        try fake.write("oom_kill_disable 0\nunder_oom 0\noom_kill 4\n", to: run + "/memory.oom_control")
        try fake.write("12345\n", to: run + "/cpuacct.usage")
        #expect(group.outOfMemoryKills == 4 && group.cpuNanoseconds == 12345)
        try group.join(isBornThere: false)
        // Of a whole process it would be the same, and every fork on the host would wait.
        #expect(fake.read("\(run)/tasks") == "0" && fake.read("\(run)/cgroup.procs") == "")
    }

    /// A limit that cannot be written is no run, and not a run without it. Swap accounting is the exception: a kernel without
    /// it has no swap to count either way.
    @Test(arguments: [
        (true, "memory.max", false), (true, "memory.oom.group", false), (true, "pids.max", false),
        (true, "cpu.max", false),
        (true, "cpu.stat", false), (true, "memory.events", false), (true, "memory.swap.max", true),
        (true, "memory.peak", true),
        (false, "memory.limit_in_bytes", false), (false, "cpu.cfs_quota_us", false), (false, "cpuacct.usage", false),
        (false, "memory.memsw.limit_in_bytes", true),
    ])
    func `a run is refused where a limit cannot be written`(isVersion2: Bool, file: String, isMade: Bool) throws {
        let fake = try FakeGroups(isVersion2: isVersion2, missing: [file])
        let groups = groups(fake)
        let group = try? make(groups)
        #expect((group != nil) == isMade)
        group?.closeFiles()
    }

    /// Without the right to hand controllers down nothing is held by them, and nobody says that it is.
    @Test func `a hierarchy that was not delegated holds nothing`() throws {
        let fake = try FakeGroups(isVersion2: true, missing: ["cgroup.subtree_control"])
        #expect(groups(fake).enforcements == Enforcements())
    }
}
