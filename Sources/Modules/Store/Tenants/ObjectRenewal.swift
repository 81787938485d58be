// SPDX-License-Identifier: Apache-2.0

import Core
import SQLite

/// Objects that get another key together, and how far each is.
struct ObjectRenewal: Sendable {
    /// Objects whose fresh keys share a flush.
    static let objectsMax = 256
    /// Steps of one transaction.
    static let stepsMax = 16

    /// What is still to be sealed anew: the object, and from which place on.
    fileprivate(set) var open: [(object: ObjectID, place: Int)]
    fileprivate(set) var done: [ObjectID] = []
    /// Those that keep both keys for now.
    fileprivate(set) var later = 0
    /// The last object that was looked at, also of those that nobody renews.
    let last: ObjectID
}

extension TenantFile {
    /// Gives the next objects behind `object` a fresh key; `nil` at the end.
    func beginObjectRenewal(after object: ObjectID?) throws(SQLiteError) -> ObjectRenewal? {
        let objects = try plan.keys.objects(of: tenant, after: object, limit: ObjectRenewal.objectsMax)
        guard let last = objects.last else { return nil }
        let renewals = plan.renewals()
        let known = objects.filter { object in renewal(of: object, renewals) != nil }
        try plan.keys.beginRenewal(of: known, of: tenant)
        return ObjectRenewal(open: known.map { ($0, 0) }, last: last)
    }

    /// Seals some of their content anew, in one transaction.
    func renewContent(_ renewal: ObjectRenewal) throws(SQLiteError) -> ObjectRenewal {
        let renewals = plan.renewals()
        return try transaction { transaction throws(SQLiteError) in
            var next = renewal
            for _ in 0..<ObjectRenewal.stepsMax {
                guard let (object, place) = next.open.popLast() else { break }
                guard let module = self.renewal(of: object, renewals) else { continue }
                switch try module.step(object, place, transaction) {
                case .more(let place): next.open.append((object, place))
                case .done: next.done.append(object)
                case .later: next.later += 1
                }
            }
            return next
        }
    }

    /// Deletes the old keys of what is done.
    func endObjectRenewal(_ renewal: ObjectRenewal) throws(SQLiteError) {
        try plan.keys.endRenewal(of: renewal.done, of: tenant)
    }

    private func renewal(of object: ObjectID, _ renewals: [ContentRenewal]) -> ContentRenewal? {
        renewals.first { $0.prefixes.contains { object.text.hasPrefix($0) } }
    }
}

extension Tenants {
    /// Gives every object of a tenant another key, and seals its content anew, beside other work. Blocks, on no store thread.
    ///
    /// - Parameter progress: told of each piece, with the objects it has changed.
    /// - Returns: objects that keep both keys for now.
    func renewObjects(of tenant: TenantID, progress: @Sendable (Int) -> Void) throws(Failure) -> Int {
        var (last, later): (ObjectID?, Int) = (nil, 0)
        while let begun = try upkeep(
            of: tenant,
            { [last] file throws(SQLiteError) in
                try file.beginObjectRenewal(after: last)
            })
        {
            var renewal = begun
            while !renewal.open.isEmpty {
                renewal = try upkeep(of: tenant) { [renewal] file throws(SQLiteError) in try file.renewContent(renewal)
                }
            }
            try upkeep(of: tenant) { [renewal] file throws(SQLiteError) in try file.endObjectRenewal(renewal) }
            progress(renewal.done.count)
            later += renewal.later
            last = renewal.last
        }
        return later
    }
}
