// SPDX-License-Identifier: Apache-2.0

import Core

/// What an exchange settles whose provider counted so many tokens.
func settlement(_ tokens: Int, cost: Int64? = nil) -> ExchangeFigures.Settlement? {
    var figures = ExchangeFigures()
    figures.tokens = ExchangeFigures.Tokens(input: tokens, output: 0)
    figures.cost = cost
    return figures.settled
}
