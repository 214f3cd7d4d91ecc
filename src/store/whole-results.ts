// Repairs what the driver (3.4.9) makes of the first result on a connection that it opened again: it goes on counting
// rows where the lost connection stopped, so that as many holes stand before the rows as had arrived of the answer
// that was cut. Without this a statement after a lost connection reads `undefined` for its first row.

import type postgres from 'postgres'

/** The same client, whose results have no holes. */
export function withWholeResults(sql: postgres.Sql): postgres.Sql {
  return new Proxy(sql, {
    apply(target, self, parameters) {
      const query: unknown = Reflect.apply(target, self, parameters)
      if (isQuery(query)) {
        const { resolve } = query
        query.resolve = (result) => resolve.call(query, withoutHoles(result))
      }
      return query
    },
  })
}

interface Query {
  resolve: (result: unknown) => void
}

/** Identifiers and lists of values come from the same function; only what is executed is resolved. */
function isQuery(value: unknown): value is Query {
  return (
    typeof value === 'object' && value !== null && 'resolve' in value && typeof value.resolve === 'function'
  )
}

function withoutHoles(result: unknown): unknown {
  if (Array.isArray(result)) while (result.length > 0 && !(0 in result)) result.shift()
  return result
}
