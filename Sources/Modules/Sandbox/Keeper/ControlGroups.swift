// SPDX-License-Identifier: Apache-2.0
//
// Control groups of the host, of either version, from one small type each:
//
//     version 2   one hierarchy; `cgroup.controllers` names what is there; a group with processes has no groups below it
//                 with controllers, so that the keeper (and a gateway that started it) moves into one of its own
//     version 1   a hierarchy for each controller, or some together; each has its own tree
//
// A run's groups are `<own group>/gatehouse-sandbox/<keeper's pid>/run-<number>` in each hierarchy. All is opened while the keeper
// still sees the host's files, and used through descriptors of folders from then on.

import CSeccomp
import Glibc
import Platform

/// Where the controllers of this host are.
struct Hierarchies: Equatable {
    struct Hierarchy: Equatable {
        var isVersion2: Bool
        /// Those of `ControlGroups.wanted` that it has.
        var controllers: Set<String>
        /// The folder of this process's own group.
        var folder: String
    }

    static let wanted: Set<String> = ["memory", "pids", "cpu", "cpuacct"]

    var found: [Hierarchy] = []

    /// - Parameters:
    ///   - membership: `/proc/self/cgroup`.
    ///   - mounts: `/proc/self/mountinfo`.
    ///   - controllers: the text of `cgroup.controllers` in a folder of the second version.
    init(membership: String, mounts: String, controllers: (String) -> String?) {
        var places: [(point: String, root: String, type: Substring, options: Set<Substring>)] = []
        for line in mounts.split(separator: "\n") {
            // mountinfo: id parent device root point options … - type source superoptions (proc(5))
            let fields = line.split(separator: " ", omittingEmptySubsequences: false)
            guard let dash = fields.firstIndex(of: "-"), dash >= 6, fields.count > dash + 3 else { continue }
            let type = fields[dash + 1]
            guard type == "cgroup" || type == "cgroup2" else { continue }
            places.append(
                (
                    String(fields[4]), String(fields[3]), type,
                    Set(fields[dash + 3].split(separator: ","))
                ))
        }
        for line in membership.split(separator: "\n") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            let path = String(fields[2])
            if fields[1].isEmpty {
                guard let place = places.first(where: { $0.type == "cgroup2" }) else { continue }
                var folder = Self.folder(place.point, place.root, path)
                // What was delegated is one further up, where an earlier keeper has moved the gateway.
                if folder.hasSuffix("/" + ControlGroups.gateway) {
                    folder.removeLast(ControlGroups.gateway.utf8.count + 1)
                }
                let words = Set((controllers(folder) ?? "").split { $0 == " " || $0 == "\n" }.map(String.init))
                var have = words.intersection(Self.wanted)
                // The second version counts processor time in every group.
                if have.contains("cpu") { have.insert("cpuacct") }
                if !have.isEmpty { found.append(Hierarchy(isVersion2: true, controllers: have, folder: folder)) }
            } else {
                let names = Set(fields[1].split(separator: ",").map(String.init)).intersection(Self.wanted)
                guard !names.isEmpty,
                    let place = places.first(where: { place in
                        place.type == "cgroup" && names.allSatisfy { name in place.options.contains { $0 == name } }
                    })
                else { continue }
                found.append(
                    Hierarchy(
                        isVersion2: false, controllers: names, folder: Self.folder(place.point, place.root, path)))
            }
        }
    }

    private static func folder(_ point: String, _ root: String, _ path: String) -> String {
        // A mount may show a part of the tree only.
        var rest = path
        if root != "/", rest.hasPrefix(root) { rest = String(rest.dropFirst(root.count)) }
        return rest == "/" || rest.isEmpty ? point : point + (rest.hasPrefix("/") ? rest : "/" + rest)
    }

    /// Those of this process, now.
    static var own: Hierarchies {
        Hierarchies(
            membership: WholeFile.text("/proc/self/cgroup"), mounts: WholeFile.text("/proc/self/mountinfo"),
            controllers: { WholeFile.text($0 + "/cgroup.controllers") })
    }
}

/// What the groups of one run hold.
struct GroupLimits: Equatable {
    var memoryBytes: Int
    var processes: Int
    var cpuHundredths: Int
}

/// The keeper's groups, and those of its runs.
struct ControlGroups {
    private struct Base {
        let isVersion2: Bool
        let controllers: Set<String>
        /// The folder in which runs have theirs; its parent, and its name in there.
        let folder: CInt
        let parent: CInt
        let name: String
    }

    private var bases: [Base] = []
    /// Makes a group, in a folder, by its name; for tests that stand in for the kernel, which puts files into it.
    private let makeFolder: (CInt, String) -> Bool
    static let family = "gatehouse-sandbox"
    /// Where the gateway goes in a group of the second version that was delegated to it.
    static let gateway = "gatehouse-gateway"

    /// Makes the keeper's own groups wherever it may, and removes those of keepers that are no more.
    ///
    /// - Parameter owner: who is to use them.
    init(
        _ hierarchies: Hierarchies, process: Int32, owner: KeeperIdentity,
        makeFolder: @escaping (CInt, String) -> Bool = { unsafe mkdirat($0, $1, 0o755) == 0 }
    ) {
        self.makeFolder = makeFolder
        for hierarchy in hierarchies.found {
            guard let base = Self.base(hierarchy, process, owner, makeFolder) else { continue }
            bases.append(base)
        }
    }

    /// What is held by them: the best there is for each.
    var enforcements: Enforcements {
        func by(_ controller: String) -> Enforcement {
            guard let base = bases.first(where: { $0.controllers.contains(controller) }) else { return .partial }
            return base.isVersion2 ? .groups2 : .groups1
        }
        return Enforcements(memory: by("memory"), processes: by("pids"), cpu: by("cpuacct"))
    }

    private static func base(
        _ hierarchy: Hierarchies.Hierarchy, _ process: Int32, _ owner: KeeperIdentity,
        _ makeFolder: (CInt, String) -> Bool
    ) -> Base? {
        guard let top = open(folder: hierarchy.folder) else { return nil }
        defer { close(top) }
        _ = makeFolder(top, family)
        guard let parent = open(folder: family, in: top) else { return nil }
        sweep(parent)
        let name = String(process)
        guard makeFolder(parent, name), let folder = open(folder: name, in: parent) else {
            close(parent)
            return nil
        }
        let switches = hierarchy.controllers.subtracting(["cpuacct"]).sorted().map { "+" + $0 }.joined(separator: " ")
        if hierarchy.isVersion2, !stepAside(top: top, folders: [parent, folder], switches, makeFolder) {
            close(folder)
            unsafe _ = unlinkat(parent, name, AT_REMOVEDIR)
            close(parent)
            return nil
        }
        owner.own(folder, parent: parent, name: name)
        return Base(
            isVersion2: hierarchy.isVersion2, controllers: hierarchy.controllers, folder: folder, parent: parent,
            name: name)
    }

    /// Has the controllers of the second version down to the folder of the runs. No group with processes has groups with
    /// controllers below it (cgroups(7)), so whoever is in this one goes into one of its own: the keeper beside its runs, since
    /// the kernel lets a process be moved only by who may write to what is above both places; and, where the group was
    /// delegated to the gateway, the gateway, which is this process's parent.
    ///
    /// - Returns: false where others are in this group, which is not ours then; everybody is back where they were.
    private static func stepAside(
        top: CInt, folders: [CInt], _ switches: String, _ makeFolder: (CInt, String) -> Bool
    ) -> Bool {
        let enable = { (folder: CInt) in write(switches, "cgroup.subtree_control", in: folder) }
        guard let runs = folders.last else { return false }
        _ = makeFolder(runs, "keeper")
        let isAside = write("0", "keeper/cgroup.procs", in: runs)
        let gatewayProcess = getppid()
        var isAlone = isAside && enable(top)
        if isAside, !isAlone, gatewayProcess > 1 {
            _ = makeFolder(top, gateway)
            isAlone = write(String(gatewayProcess), gateway + "/cgroup.procs", in: top) && enable(top)
            if !isAlone { _ = write(String(gatewayProcess), "cgroup.procs", in: top) }
        }
        if isAlone, folders.allSatisfy(enable) { return true }
        _ = write("0", "cgroup.procs", in: top)
        unsafe _ = unlinkat(top, gateway, AT_REMOVEDIR)
        unsafe _ = unlinkat(runs, "keeper", AT_REMOVEDIR)
        return false
    }

    /// Removes the groups of keepers that died without doing so: their processes died with them.
    private static func sweep(_ parent: CInt) {
        for name in names(in: parent) {
            guard let process = Int32(name), process > 0, kill(process, 0) != 0, errno == ESRCH else { continue }
            guard let folder = open(folder: name, in: parent) else { continue }
            for run in names(in: folder) { unsafe _ = unlinkat(folder, run, AT_REMOVEDIR) }
            close(folder)
            unsafe _ = unlinkat(parent, name, AT_REMOVEDIR)
        }
    }

    private static func names(in folder: CInt) -> [String] {
        let copy = unsafe openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0, let stream = unsafe fdopendir(copy) else { return [] }
        defer { unsafe closedir(stream) }
        var found: [String] = []
        while let entry = unsafe readdir(stream) {
            guard unsafe entry.pointee.d_type == UInt8(DT_DIR) else { continue }
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { unsafe Array($0.prefix { $0 != 0 }) }
            let text = String(decoding: name, as: UTF8.self)
            if text != "." && text != ".." { found.append(text) }
        }
        return found
    }

    /// Makes the groups of one run. Any that cannot be made is missing from the answer, which the caller must look at.
    func make(run number: UInt64, _ limits: GroupLimits) throws(BoxFailure) -> RunGroup {
        var group = RunGroup()
        do throws(BoxFailure) {
            for base in bases {
                let name = "run-\(number)"
                guard makeFolder(base.folder, name), let folder = Self.open(folder: name, in: base.folder) else {
                    throw BoxFailure(.group)
                }
                defer { close(folder) }
                group.folders.append((base.folder, name))
                try Self.set(base.isVersion2, base.controllers, folder, limits)
                try Self.openFiles(base.isVersion2, base.controllers, folder, &group)
            }
        } catch {
            group.closeFiles()
            _ = group.remove()
            throw error
        }
        return group
    }

    private static func set(
        _ isVersion2: Bool, _ controllers: Set<String>, _ folder: CInt, _ limits: GroupLimits
    ) throws(BoxFailure) {
        let (memory, processes, cpu) = (limits.memoryBytes, limits.processes, limits.cpuHundredths)
        func must(_ text: String, _ name: String) throws(BoxFailure) {
            guard write(text, name, in: folder) else { throw BoxFailure(.group) }
        }
        if controllers.contains("memory") {
            try must(String(memory), isVersion2 ? "memory.max" : "memory.limit_in_bytes")
            // What was swapped out is not memory that was saved. A kernel without swap accounting has no such file.
            if isVersion2 {
                _ = write("0", "memory.swap.max", in: folder)
                try must("1", "memory.oom.group")
            } else {
                _ = write(String(memory), "memory.memsw.limit_in_bytes", in: folder)
                _ = write("0", "memory.swappiness", in: folder)
            }
        }
        if controllers.contains("pids") { try must(String(processes), "pids.max") }
        if controllers.contains("cpu") {
            // Periods of 100 ms: hundredths of a processor are milliseconds in each.
            if isVersion2 {
                try must("\(cpu * 1000) 100000", "cpu.max")
            } else {
                try must("100000", "cpu.cfs_period_us")
                try must(String(cpu * 1000), "cpu.cfs_quota_us")
            }
        }
    }

    private static func openFiles(
        _ isVersion2: Bool, _ controllers: Set<String>, _ folder: CInt, _ group: inout RunGroup
    ) throws(BoxFailure) {
        func file(_ name: String, _ flags: CInt = O_RDONLY) -> CInt {
            unsafe openat(folder, name, flags | O_CLOEXEC)
        }
        if isVersion2 {
            group.processes2 = try BoxStep.group.take { file("cgroup.procs", O_WRONLY) }
            group.folder2 = try BoxStep.group.take { fcntl(folder, F_DUPFD_CLOEXEC, 3) }
        } else {
            // The program's process has one thread. Where a thread moves itself the kernel need not stop every fork and every end of
            // a process on the host, for which it waits ten milliseconds and more.
            group.members.append(try BoxStep.group.take { file("tasks", O_WRONLY) })
        }
        if controllers.contains("memory") {
            group.memoryEvents = try BoxStep.group.take { file(isVersion2 ? "memory.events" : "memory.oom_control") }
            group.memoryPeak = file(isVersion2 ? "memory.peak" : "memory.max_usage_in_bytes")
        }
        if controllers.contains("pids") {
            group.processesEvents = file("pids.events")
            group.processesCurrent = file("pids.current")
            group.processesPeakFile = file("pids.peak")
        }
        if controllers.contains("cpuacct") {
            group.cpuUsage = try BoxStep.group.take { file(isVersion2 ? "cpu.stat" : "cpuacct.usage") }
            group.isCPUStatistics = isVersion2
        }
    }

    /// Removes the keeper's own groups, which must be empty.
    func removeAll() {
        for base in bases { unsafe _ = unlinkat(base.parent, base.name, AT_REMOVEDIR) }
    }

    /// Removes the folder of all keepers, where there is none, and what the last one could not: the folder that it was in. For
    /// the gateway, when its keeper has ended: the keeper itself may not write where that folder lies.
    static func removeFamily(_ hierarchies: Hierarchies) {
        for hierarchy in hierarchies.found {
            let path = hierarchy.folder + "/" + family
            guard let folder = open(folder: path) else { continue }
            sweep(folder)
            close(folder)
            unsafe _ = rmdir(path)
        }
    }

    private static func open(folder: String, in parent: CInt = AT_FDCWD) -> CInt? {
        let number = unsafe openat(parent, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        return number >= 0 ? number : nil
    }

    private static func write(_ text: String, _ name: String, in folder: CInt) -> Bool {
        let number = unsafe openat(folder, name, O_WRONLY | O_CLOEXEC)
        guard number >= 0 else { return false }
        let file = FileDescriptor(owning: number)
        let bytes = Array(text.utf8)
        return unsafe Glibc.write(file.rawValue, bytes, bytes.count) == bytes.count
    }
}

/// A file of the kernel's, whole, at most a megabyte.
enum WholeFile {
    static func text(_ path: String) -> String {
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { return "" }
        let file = FileDescriptor(owning: number)
        var all: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 16 << 10)
        while all.count < 1 << 20 {
            // SAFETY: the array is as long as said.
            let count = unsafe read(file.rawValue, &part, part.count)
            guard count > 0 else { break }
            all += part[..<count]
        }
        return String(decoding: all, as: UTF8.self)
    }
}
