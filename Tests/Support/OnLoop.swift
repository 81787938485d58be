// SPDX-License-Identifier: Apache-2.0
package import EventLoop
import Platform

/// A test ran longer than it may.
package struct TookTooLong: Error {
    package init() {}
}

/// Runs `body` on a fresh loop with a thread of its own, and waits for it. The test's thread blocks meanwhile: a task of
/// the test that the loop let go on would stay with the loop.
@discardableResult
package func onLoop<Result: Sendable>(
    within limit: Duration = .seconds(30), _ body: @escaping @Sendable (EventLoop) async throws -> Result
) throws -> Result {
    let loop = try EventLoop(name: "test")
    try loop.start()
    defer {
        loop.stop()
        loop.join()
    }
    return try onLoop(loop, within: limit, body)
}

/// The same on a loop that already runs.
@discardableResult
package func onLoop<Result: Sendable>(
    _ loop: EventLoop, within limit: Duration = .seconds(30),
    _ body: @escaping @Sendable (EventLoop) async throws -> Result
) throws -> Result {
    let outcome = Monitor<Swift.Result<Result, any Error>?>(nil)
    loop.spawn {
        let result: Swift.Result<Result, any Error>
        do { result = .success(try await body(loop)) } catch { result = .failure(error) }
        outcome.withLock { $0 = result }
        outcome.signal()
    }
    guard let result = outcome.wait(until: .now() + limit, { $0 }) else { throw TookTooLong() }
    return try result.get()
}
