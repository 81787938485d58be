// SPDX-License-Identifier: Apache-2.0

import Bytes

/// What the word before a number says it is.
enum NumberContext {
    case none
    /// `phone`, `telefone`, `WhatsApp` …
    case phone
    /// `SSN`, `social security number`.
    case socialSecurity
    /// `NIF`, `CPF`, `CUIT` …
    case national
    /// `order`, `bytes`, `id`, an amount of money: a number of something.
    case other
}

extension Span where Element == UInt8 {
    private static var wordBytesMax: Int { 24 }
    private static var wordsMax: Int { 3 }

    /// Looks for a word that says what the number at `start` is: in the three before it, the nearest first, and within
    /// some seventy bytes.
    func context(before start: Int, floor: Int) -> NumberContext {
        var index = start
        for turn in 0..<Self.wordsMax {
            var gap = 0
            while index > floor, gap < 6, isGap(self[index - 1], isFirst: turn == 0) {
                // Money, or a number sign.
                if "$#".utf8.contains(self[index - 1]) { return .other }
                index -= 1
                gap += 1
            }
            // The euro, the pound, the yen.
            if hasCurrency(before: index) { return .other }
            let end = index
            while index > floor, end - index < Self.wordBytesMax, isPart(self[index - 1]) { index -= 1 }
            guard index < end else { return .none }
            let context = Self.meaning(of: extracting(index..<end))
            if context != .none { return context }
        }
        return .none
    }

    /// True where the number that ends before `index` is an amount of something.
    func hasUnit(at index: Int) -> Bool {
        let start = index + blank(at: index)
        if [0x24, 0x25].contains(peek(start)) && escapedByte(at: start) == nil { return true }
        if has("\u{20AC}", at: start) { return true }
        let end = self.end(of: \.isASCIILetter, from: start, max: 10)
        return start > index && end > start && Self.isWord(extracting(start..<end), in: Self.units)
    }

    private func isGap(_ byte: UInt8, isFirst: Bool) -> Bool {
        switch byte {
        case UInt8(ascii: " "), UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "("), UInt8(ascii: "\\"): true
        case UInt8(ascii: ":"), UInt8(ascii: "="), UInt8(ascii: "#"), UInt8(ascii: "."), UInt8(ascii: "-"),
            UInt8(ascii: "_"), UInt8(ascii: "$"), UInt8(ascii: ">"):
            isFirst
        default: false
        }
    }

    private func isPart(_ byte: UInt8) -> Bool { byte.isWord || byte >= 0x80 || byte == UInt8(ascii: "-") }

    private func hasCurrency(before index: Int) -> Bool {
        has("\u{20AC}", at: index - 3) || has("\u{A3}", at: index - 2) || has("\u{A5}", at: index - 2)
    }

    private static func meaning(of word: Span<UInt8>) -> NumberContext {
        if contains(
            word,
            oneOf: [
                "phone", "telef", "tel\u{E9}f", "mobile", "movil", "m\u{F3}vil", "celular", "whats", "fone", "telem",
            ])
            || contains(word, oneOf: ["msisdn", "handy", "rufnummer", "wa_id", "waid"])
            || isWord(word, in: ["tel", "cel", "cell", "fax", "jid", "sms", "fixo", "fijo", "contato", "contacto"])
        {
            return .phone
        }
        if contains(word, oneOf: ["ssn", "social"]) { return .socialSecurity }
        if contains(word, oneOf: ["cpf", "cnpj", "cuit", "cuil", "contribuinte"])
            || isWord(word, in: ["nif", "nie", "dni", "vat"])
        {
            return .national
        }
        return isOther(word) ? .other : .none
    }

    /// True where a part of the word (`order_id`, `orderId`, `size-bytes`) names something that is counted or numbered.
    private static func isOther(_ word: Span<UInt8>) -> Bool {
        if word.count > 2, word[word.count - 2] == UInt8(ascii: "I"), word[word.count - 1] == UInt8(ascii: "d") {
            return true
        }
        var start = 0
        for index in 0...word.count
        where index == word.count || word[index] == UInt8(ascii: "_") || word[index] == UInt8(ascii: "-") {
            if isWord(word.extracting(start..<index), in: others) { return true }
            start = index + 1
        }
        return false
    }

    private static func isWord(_ word: Span<UInt8>, in list: [StaticString]) -> Bool {
        for entry in list where entry.utf8CodeUnitCount == word.count && word.has(entry, at: 0) { return true }
        return false
    }

    private static func contains(_ word: Span<UInt8>, oneOf list: [StaticString]) -> Bool {
        for entry in list where entry.utf8CodeUnitCount <= word.count {
            for index in 0...word.count - entry.utf8CodeUnitCount where word.has(entry, at: index) { return true }
        }
        return false
    }

    private static var others: [StaticString] {
        [
            "id", "ids", "order", "orders", "pedido", "orden", "encomenda", "invoice", "fatura", "factura", "ticket",
            "ref", "reference", "bytes", "byte", "size", "len", "length", "count", "offset", "seq", "sequence", "port",
            "pid", "tid", "ns", "us", "ms", "nanos", "duration", "took", "latency", "elapsed", "amount", "price",
            "total",
            "subtotal", "cost", "tokens", "line", "row", "rows", "col", "column", "seed", "build", "version", "rev",
            "revision", "ts", "time", "timestamp", "epoch", "nonce", "hash", "sku", "ean", "isbn", "upc", "gtin", "gs",
            "barcode", "tracking", "lote", "batch", "page", "chunk", "job", "run", "record", "serial", "inode", "block",
            "population", "counter", "created", "updated", "expires", "exp", "iat", "nbf",
        ]
    }

    private static var units: [StaticString] {
        [
            "b", "kb", "kib", "mb", "mib", "gb", "gib", "tb", "tib", "byte", "bytes", "bits", "ms", "ns", "us", "s",
            "sec",
            "secs", "seconds", "minutes", "hours", "days", "tokens", "token", "requests", "req", "rows", "lines",
            "items",
            "records", "usd", "eur", "brl", "ars", "mxn", "gbp", "euros", "reais", "pesos", "dollars", "people",
            "users",
            "cycles", "instructions", "ops", "hz", "px", "events", "messages", "files", "times", "points", "units",
        ]
    }
}
