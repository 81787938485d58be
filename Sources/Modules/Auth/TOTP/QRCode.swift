// SPDX-License-Identifier: Apache-2.0

/// A QR code (ISO/IEC 18004) of some bytes: byte mode, error correction M, the smallest version that holds them. It is made
/// here so that a secret goes to no service that draws pictures.
struct QRCode: Sendable {
    /// What version 40 holds.
    static let bytesMax = 2331

    let version: Int
    /// Modules of a side.
    let size: Int
    private(set) var modules: [Bool]
    /// Modules that belong to the symbol itself and are not masked.
    private var isFunction: [Bool]

    /// Nil for more than ``bytesMax`` bytes.
    init?(_ bytes: [UInt8]) {
        guard let version = (1...40).first(where: { Self.capacity($0) >= bytes.count }) else { return nil }
        self.version = version
        size = 17 + 4 * version
        modules = [Bool](repeating: false, count: size * size)
        isFunction = modules
        drawFunctionPatterns()
        drawCodewords(Self.interleaved(Self.codewords(bytes, version), version))
        applyBestMask()
    }

    subscript(x: Int, y: Int) -> Bool { modules[y * size + x] }

    // MARK: Codewords

    /// Error correction codewords of each block, and blocks, of the level M, by version.
    private static let correction = [
        10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26, 26, 28, 28, 28, 28, 28, 28, 28,
        28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    ]
    private static let blocks = [
        1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16, 17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31,
        33,
        35, 37, 38, 40, 43, 45, 47, 49,
    ]

    /// Modules left for data and error correction.
    private static func rawModules(_ version: Int) -> Int {
        var count = (16 * version + 128) * version + 64
        if version >= 2 {
            let alignments = version / 7 + 2
            count -= (25 * alignments - 10) * alignments - 55
            if version >= 7 { count -= 36 }
        }
        return count
    }

    private static func dataCodewords(_ version: Int) -> Int {
        rawModules(version) / 8 - correction[version - 1] * blocks[version - 1]
    }

    /// Bytes that a version holds, behind the mode and the count.
    private static func capacity(_ version: Int) -> Int { (dataCodewords(version) * 8 - 4 - countBits(version)) / 8 }

    private static func countBits(_ version: Int) -> Int { version < 10 ? 8 : 16 }

    private static func codewords(_ bytes: [UInt8], _ version: Int) -> [UInt8] {
        var bits: [Bool] = []
        func append(_ value: Int, _ count: Int) {
            for place in (0..<count).reversed() { bits.append(value >> place & 1 == 1) }
        }
        append(0b0100, 4)
        append(bytes.count, countBits(version))
        for byte in bytes { append(Int(byte), 8) }
        let capacity = dataCodewords(version) * 8
        append(0, min(4, capacity - bits.count))
        append(0, (8 - bits.count % 8) % 8)
        var pad = 0xEC
        while bits.count < capacity {
            append(pad, 8)
            pad ^= 0xEC ^ 0x11
        }
        return stride(from: 0, to: bits.count, by: 8).map { start in
            bits[start..<start + 8].reduce(0) { $0 << 1 | ($1 ? 1 : 0) }
        }
    }

    /// Data in blocks, each with its error correction, a codeword of each in turn.
    private static func interleaved(_ data: [UInt8], _ version: Int) -> [UInt8] {
        let (blockCount, correctionCount) = (blocks[version - 1], correction[version - 1])
        let rawCount = rawModules(version) / 8
        let shortBlocks = blockCount - rawCount % blockCount
        let shortData = rawCount / blockCount - correctionCount
        let divisor = ReedSolomon.divisor(correctionCount)
        var parts: [(data: ArraySlice<UInt8>, correction: [UInt8])] = []
        var start = 0
        for block in 0..<blockCount {
            let end = start + shortData + (block < shortBlocks ? 0 : 1)
            parts.append((data[start..<end], ReedSolomon.remainder(data[start..<end], divisor)))
            start = end
        }
        var all: [UInt8] = []
        for place in 0...shortData {
            for part in parts where place < part.data.count { all.append(part.data[part.data.startIndex + place]) }
        }
        for place in 0..<correctionCount {
            for part in parts { all.append(part.correction[place]) }
        }
        return all
    }

    // MARK: Drawing

    private mutating func set(_ x: Int, _ y: Int, _ isDark: Bool) {
        modules[y * size + x] = isDark
        isFunction[y * size + x] = true
    }

    private mutating func drawFunctionPatterns() {
        for place in 0..<size {
            set(6, place, place % 2 == 0)
            set(place, 6, place % 2 == 0)
        }
        for (x, y) in [(3, 3), (size - 4, 3), (3, size - 4)] { drawFinder(x, y) }
        let places = alignmentPlaces
        for (row, y) in places.enumerated() {
            for (column, x) in places.enumerated() {
                let isFinder =
                    (row, column) == (0, 0) || (row, column) == (0, places.count - 1)
                    || (row, column) == (places.count - 1, 0)
                if !isFinder { drawAlignment(x, y) }
            }
        }
        // Keeps the room; the mask is not known yet.
        drawFormat(mask: 0)
        drawVersion()
    }

    private mutating func drawFinder(_ x: Int, _ y: Int) {
        for dy in -4...4 {
            for dx in -4...4 where (0..<size).contains(x + dx) && (0..<size).contains(y + dy) {
                let distance = max(abs(dx), abs(dy))
                set(x + dx, y + dy, distance != 2 && distance != 4)
            }
        }
    }

    private mutating func drawAlignment(_ x: Int, _ y: Int) {
        for dy in -2...2 {
            for dx in -2...2 { set(x + dx, y + dy, max(abs(dx), abs(dy)) != 1) }
        }
    }

    private var alignmentPlaces: [Int] {
        guard version > 1 else { return [] }
        let count = version / 7 + 2
        let step = (version * 8 + count * 3 + 5) / (count * 4 - 4) * 2
        return [6] + (0..<count - 1).map { size - 7 - $0 * step }.reversed()
    }

    /// Level and mask, with their BCH code, twice.
    private mutating func drawFormat(mask: Int) {
        // The level M is 00.
        let data = mask
        var rest = data
        for _ in 0..<10 { rest = rest << 1 ^ (rest >> 9) * 0x537 }
        let bits = (data << 10 | rest) ^ 0x5412
        func bit(_ place: Int) -> Bool { bits >> place & 1 == 1 }
        for place in 0...5 { set(8, place, bit(place)) }
        set(8, 7, bit(6))
        set(8, 8, bit(7))
        set(7, 8, bit(8))
        for place in 9..<15 { set(14 - place, 8, bit(place)) }
        for place in 0..<8 { set(size - 1 - place, 8, bit(place)) }
        for place in 8..<15 { set(8, size - 15 + place, bit(place)) }
        set(8, size - 8, true)
    }

    private mutating func drawVersion() {
        guard version >= 7 else { return }
        var rest = version
        for _ in 0..<12 { rest = rest << 1 ^ (rest >> 11) * 0x1F25 }
        let bits = version << 12 | rest
        for place in 0..<18 {
            let (a, b) = (size - 11 + place % 3, place / 3)
            set(a, b, bits >> place & 1 == 1)
            set(b, a, bits >> place & 1 == 1)
        }
    }

    /// In columns of two from the right, up and down.
    private mutating func drawCodewords(_ data: [UInt8]) {
        var index = 0
        var right = size - 1
        while right >= 1 {
            if right == 6 { right = 5 }
            for step in 0..<size {
                for x in [right, right - 1] {
                    let isUpward = (right + 1) & 2 == 0
                    let y = isUpward ? size - 1 - step : step
                    guard !isFunction[y * size + x], index < data.count * 8 else { continue }
                    modules[y * size + x] = data[index >> 3] >> (7 - UInt8(index & 7)) & 1 == 1
                    index += 1
                }
            }
            right -= 2
        }
    }

    // MARK: Mask

    private mutating func applyBestMask() {
        var best = (mask: 0, penalty: Int.max)
        for mask in 0..<8 {
            apply(mask)
            drawFormat(mask: mask)
            let penalty = penalty
            if penalty < best.penalty { best = (mask, penalty) }
            apply(mask)
        }
        apply(best.mask)
        drawFormat(mask: best.mask)
    }

    /// Twice is not at all.
    private mutating func apply(_ mask: Int) {
        for y in 0..<size {
            for x in 0..<size where !isFunction[y * size + x] && Self.isMasked(x, y, mask) {
                modules[y * size + x].toggle()
            }
        }
    }

    private static func isMasked(_ x: Int, _ y: Int, _ mask: Int) -> Bool {
        switch mask {
        case 0: (x + y) % 2 == 0
        case 1: y % 2 == 0
        case 2: x % 3 == 0
        case 3: (x + y) % 3 == 0
        case 4: (x / 3 + y / 2) % 2 == 0
        case 5: x * y % 2 + x * y % 3 == 0
        case 6: (x * y % 2 + x * y % 3) % 2 == 0
        default: ((x + y) % 2 + x * y % 3) % 2 == 0
        }
    }

    /// How hard a reader would find it: runs, blocks, what looks like a finder, too much dark or light.
    private var penalty: Int {
        var total = 0
        for line in 0..<size {
            total += Self.penalty((0..<size).map { self[$0, line] })
            total += Self.penalty((0..<size).map { self[line, $0] })
        }
        for y in 0..<size - 1 {
            for x in 0..<size - 1 {
                let first = self[x, y]
                if first == self[x + 1, y], first == self[x, y + 1], first == self[x + 1, y + 1] { total += 3 }
            }
        }
        let dark = modules.count { $0 }
        let distance = abs(dark * 20 - modules.count * 10)
        return total + ((distance + modules.count - 1) / modules.count - 1) * 10
    }

    private static let finders = [
        [true, false, true, true, true, false, true, false, false, false, false],
        [false, false, false, false, true, false, true, true, true, false, true],
    ]

    private static func penalty(_ line: [Bool]) -> Int {
        var total = 0
        var run = 0
        for place in line.indices {
            run = place > 0 && line[place] == line[place - 1] ? run + 1 : 1
            if run == 5 { total += 3 } else if run > 5 { total += 1 }
            for finder in finders where place + 11 <= line.count && line[place..<place + 11].elementsEqual(finder) {
                total += 40
            }
        }
        return total
    }

    // MARK: Picture

    /// A picture with the quiet zone of four modules.
    var svg: String {
        var path = ""
        for y in 0..<size {
            var x = 0
            while x < size {
                guard self[x, y] else {
                    x += 1
                    continue
                }
                let start = x
                while x < size, self[x, y] { x += 1 }
                path += "M\(start + 4),\(y + 4)h\(x - start)v1h-\(x - start)z"
            }
        }
        let side = size + 8
        return """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \(side) \(side)" shape-rendering="crispEdges">\
            <rect width="\(side)" height="\(side)" fill="#fff"/><path d="\(path)" fill="#000"/></svg>
            """
    }
}

/// Error correction over the field of 256 elements with the polynomial 0x11D.
private enum ReedSolomon {
    static func divisor(_ degree: Int) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: degree)
        result[degree - 1] = 1
        var root: UInt8 = 1
        for _ in 0..<degree {
            for place in 0..<degree {
                result[place] = multiply(result[place], root)
                if place + 1 < degree { result[place] ^= result[place + 1] }
            }
            root = multiply(root, 2)
        }
        return result
    }

    static func remainder(_ data: ArraySlice<UInt8>, _ divisor: [UInt8]) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: divisor.count)
        for byte in data {
            let factor = byte ^ result.removeFirst()
            result.append(0)
            for place in divisor.indices { result[place] ^= multiply(divisor[place], factor) }
        }
        return result
    }

    private static func multiply(_ left: UInt8, _ right: UInt8) -> UInt8 {
        var product = 0
        for place in (0..<8).reversed() {
            product = product << 1 ^ (product >> 7) * 0x11D
            product ^= Int(right >> UInt8(place) & 1) * Int(left)
        }
        return UInt8(truncatingIfNeeded: product)
    }
}
