// SPDX-License-Identifier: Apache-2.0

package import Platform

/// What one exchange used, as its record tells it; or what its intent held back.
package struct Spending: Sendable {
    /// The record's place in the log.
    package let sequence: Int
    package let time: WallTime
    package let tenant: TenantID
    package let key: KeyID?
    package let node: String?
    /// The digest by which records name the person behind the key.
    package let endUser: [UInt8]?
    /// In and out.
    package let tokens: Int
    /// Nano-dollars; `nil` without a price.
    package let cost: Int?
    /// Whether a hold was settled for it in the process that wrote the record (``Exchange/isHeld``).
    package let isHeld: Bool
    /// The intent that it is the end of, where a crash left that open: nobody but this record says what it came to.
    package let interrupted: Int?

    package init(
        sequence: Int, time: WallTime, tenant: TenantID, key: KeyID?, node: String?, endUser: [UInt8]?, tokens: Int,
        cost: Int?, isHeld: Bool = false, interrupted: Int? = nil
    ) {
        (self.sequence, self.time, self.tenant, self.key) = (sequence, time, tenant, key)
        (self.node, self.endUser, self.tokens, self.cost) = (node, endUser, tokens, cost)
        (self.isHeld, self.interrupted) = (isHeld, interrupted)
    }
}

/// What is kept of the audit log about money and tokens. Played by the limiter; a server without the log has no budgets.
package protocol SpendingBook: AnyObject, Sendable {
    /// Reads what was written down, at the start, before the log is read. Blocks.
    ///
    /// - Parameter log: counts the logs there have been: places in one mean nothing in another.
    /// - Returns: the place of the first record that is wanted.
    func open(log: Int) throws(StartFailure) -> Int

    /// Takes what a record tells, in the order of the log, each once, when it is on the disk: at the start on the main thread,
    /// then on the log's own.
    func take(_ spending: Spending)

    /// The log has been read. What a crash has left open counts as spent at what its intent held back, from now on; the
    /// records that say so are taken later.
    func begin(leftOpen intents: [Spending])

    /// All records below `size` have been taken.
    func told(through size: Int)
}
