// SPDX-License-Identifier: Apache-2.0

extension Unmanaged {
    /// Lends the object to `body` without counting it as held meanwhile. Whoever calls says who holds it until `body` returns.
    @inlinable @inline(__always)
    package func lend<Result, Failure: Error>(
        _ body: (Instance) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // What the standard library has for it cannot rethrow a typed error.
        let outcome = unsafe _withUnsafeGuaranteedRef { object -> Swift.Result<Result, Failure> in
            do throws(Failure) {
                return .success(try body(object))
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }
}
