// SPDX-License-Identifier: Apache-2.0

import FuzzProperties
import Glibc

/// Faults put here on purpose, to see that the rig finds each kind: `GATEHOUSE_PLANTED` names the one of this run. They
/// stand in this executable alone, which nobody delivers.
@_cdecl("LLVMFuzzerTestOneInput")
public func oneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // libFuzzer lends `count` bytes at `start` for the time of the call.
    let bytes = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    guard bytes.count >= 3, bytes[0] == UInt8(ascii: "b"), bytes[1] == UInt8(ascii: "a"), bytes[2] == UInt8(ascii: "d")
    else { return 0 }
    switch planted {
    case "trap": return CInt(bytes[bytes.count])
    case "property": return unsafe Planted.property.run(start, count)
    case "memory": return unsafe CInt(start?[count] ?? 0)
    case "leak": leak(bytes.count)
    case "global": _ = lost
    case "slow": return unsafe Planted.slow.run(start, count)
    case "time": while true { usleep(1_000) }
    default: return 0
    }
    return 0
}

private let planted: String? = unsafe getenv("GATEHOUSE_PLANTED").map { unsafe String(cString: $0) }

/// The only trace of what was lost, in a form in which nobody finds it. Public, since the optimiser takes away a variable
/// that nobody can read, and the allocation with it.
nonisolated(unsafe) public var trace: UInt = 0

/// What the initialiser of a global loses: `leaks.supp` must not cover more of them than it names.
private let lost: Void = leak(1)

private func leak(_ count: Int) {
    unsafe trace = ~UInt(bitPattern: malloc(count + 100))
}
