// Columns of a multi-row statement, as PostgreSQL array literals: one text parameter per column, cast in SQL
// (`${textArray(ids)}::text[]`). The driver knows no array types without a round trip of its own at connect,
// and its serializer walks every value twice; these literals are written once. Nulls survive.

/** An array literal of texts. NUL, which no database text can hold, becomes U+FFFD. */
export function textArray(values: readonly (string | null | undefined)[]): string {
  let literal = '{'
  let separator = ''
  for (const value of values) {
    literal += separator + (value === null || value === undefined ? 'null' : quote(value))
    separator = ','
  }
  return literal + '}'
}

/** An array literal of numbers or booleans, which need no quotes. */
export function plainArray(values: readonly (number | boolean | null | undefined)[]): string {
  let literal = '{'
  let separator = ''
  for (const value of values) {
    literal += separator + (value === null || value === undefined ? 'null' : String(value))
    separator = ','
  }
  return literal + '}'
}

/** An array literal of instants. */
export function instantArray(values: readonly (Date | null | undefined)[]): string {
  return textArray(values.map((value) => value?.toISOString()))
}

// Most values are ids and numbers: looking first is cheaper than replacing always.
// oxlint-disable-next-line no-control-regex
const SPECIAL = /["\\\u0000]/
// oxlint-disable-next-line no-control-regex
const SPECIALS = /["\\\u0000]/g

function quote(value: string): string {
  return SPECIAL.test(value) ? `"${value.replace(SPECIALS, escape)}"` : `"${value}"`
}

function escape(character: string): string {
  return character === '\u0000' ? '\uFFFD' : `\\${character}`
}
