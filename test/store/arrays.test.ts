// Columns as array literals: what goes in comes out of the database, whatever is in it.

import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type postgres from 'postgres'
import { plainArray, textArray } from '../../src/store/arrays.js'
import { connect } from '../support/connect.js'
import { databaseUrl } from '../support/database.js'

let sql: postgres.Sql
beforeAll(() => {
  sql = connect(databaseUrl(), { max: 1 })
})
afterAll(() => sql.end({ timeout: 5 }))

describe('a column', () => {
  test('of texts comes back as it was, whatever they hold', async () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }).filter((value) => !/[\0\p{Surrogate}]/u.test(value)),
      fc.stringMatching(/^[\\"nutx,{}\n\t ]*$/),
      fc.json(),
      fc.constantFrom('', 'null', 'NULL', '\\n', '\\\\n', '\\\\\n', '"', '{a,b}', '\u2028', '\u007f'),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(text), { maxLength: 20 }), async (values) => {
        expect(await roundTrip(values)).toEqual(values)
      }),
      { numRuns: 300 },
    )
  })

  test('of texts has U+FFFD for what no database text can hold', async () => {
    expect(await roundTrip(['a\0b', 'high \ud800', '\udc00 low', 'kept'])).toEqual([
      'a\uFFFDb',
      'high \uFFFD',
      '\uFFFD low',
      'kept',
    ])
  })

  test('of numbers and booleans comes back as it was', async () => {
    const numbers = [1, null, 2_147_483_647, -0.5, 1e21, null]
    const rows = await sql<{ n: number | null; yes: boolean | null }[]>`
      select u.n, u.yes
      from unnest(
        ${plainArray(numbers)}::float8[], ${plainArray([true, false, null])}::bool[],
        ${plainArray(numbers.map((_, i) => i))}::int4[]
      ) as u (n, yes, i)
      order by u.i`
    expect(rows.map(({ n }) => n)).toEqual(numbers)
    expect(rows.map(({ yes }) => yes)).toEqual([true, false, null, null, null, null])
  })
})

/** Beside a column without nulls, as in every statement. */
async function roundTrip(values: readonly (string | null)[]): Promise<(string | null)[]> {
  const rows = await sql<{ value: string | null }[]>`
    select u.value
    from unnest(${textArray(values)}::text[], ${plainArray(values.map((_, i) => i))}::int4[]) as u (value, i)
    order by u.i`
  return rows.map(({ value }) => value)
}
