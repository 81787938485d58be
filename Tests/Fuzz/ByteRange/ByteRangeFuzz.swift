// SPDX-License-Identifier: Apache-2.0

import FuzzProperties

/// One run of libFuzzer, which looks the function up by its name in C.
@_cdecl("LLVMFuzzerTestOneInput")
public func oneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    // libFuzzer lends `count` bytes at `start` for the time of the call.
    unsafe Property.byteRange.run(start, count)
}
