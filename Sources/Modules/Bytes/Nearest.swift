// SPDX-License-Identifier: Apache-2.0

/// What somebody may have meant who wrote `word`: the name that is fewest edits away, or nil if none is near enough.
///
/// An edit is a letter more, less or another, or two neighbours exchanged; a third of the word may be wrong, and a
/// word of one or two letters never is. Case does not count. Among equals the first wins. Words over 64 bytes are not
/// looked at, so the work is bounded by the number of names.
package func nearest(to word: String, among names: some Sequence<String>) -> String? {
    let given = Array(word.asciiLowercased.utf8)
    guard given.count <= nearestBytesMax else { return nil }
    var best: (name: String, distance: Int)?
    for name in names {
        let other = Array(name.asciiLowercased.utf8)
        guard other.count <= nearestBytesMax, name != word else { continue }
        let allowed = max(given.count, other.count) / 3
        guard abs(given.count - other.count) <= allowed else { continue }
        let distance = edits(from: given, to: other)
        if distance <= allowed, distance < best?.distance ?? .max { best = (name, distance) }
    }
    return best?.name
}

private let nearestBytesMax = 64

/// Optimal string alignment: the distance of Levenshtein with exchanged neighbours as one edit.
private func edits(from source: [UInt8], to target: [UInt8]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...target.count)
    for row in 0..<source.count {
        var current = [row + 1]
        for column in 0..<target.count {
            let isSame = source[row] == target[column]
            var cost = min(last[column] + (isSame ? 0 : 1), last[column + 1] + 1, current[column] + 1)
            if row > 0, column > 0, source[row] == target[column - 1], source[row - 1] == target[column] {
                cost = min(cost, beforeLast[column - 1] + 1)
            }
            current.append(cost)
        }
        beforeLast = last
        last = current
    }
    return last[target.count]
}
