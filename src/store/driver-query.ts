// The driver's queries, as far as we come between them and its connections: what is built by one client may be executed
// by another, and whoever executes it learns when it is over.

import type postgres from 'postgres'

export interface DriverQuery {
  /** Called once, when somebody awaits it; fragments and identifiers are queries too, and never executed. */
  handler: (query: DriverQuery) => void
  resolve: (result: unknown) => void
  reject: (error: unknown) => void
}

/** The same client, whose queries are executed by `execute`; their callers notice nothing. */
export function routed(sql: postgres.Sql, execute: (query: DriverQuery) => void): postgres.Sql {
  const adopt = (query: unknown): unknown => {
    if (isDriverQuery(query)) query.handler = execute
    return query
  }
  return new Proxy(sql, {
    apply: (target, self, parameters) => adopt(Reflect.apply(target, self, parameters)),
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver)
      return name === 'unsafe' && typeof value === 'function'
        ? (...parameters: unknown[]) => adopt(Reflect.apply(value, target, parameters))
        : value
    },
  })
}

/** What executes the queries that a client builds. */
export function executorOf(sql: postgres.Sql): (query: DriverQuery) => void {
  const query: unknown = sql`select 1`
  if (!isDriverQuery(query)) throw new TypeError('the driver builds queries of an unknown form')
  return query.handler
}

/** `callback` is called once, right after the caller has been told how it ended. */
export function onceOver(query: DriverQuery, callback: (error: unknown) => void): void {
  const { resolve, reject } = query
  let isOver = false
  const end = (error: unknown): void => {
    if (isOver) return
    isOver = true
    callback(error)
  }
  query.resolve = (result) => {
    resolve(result)
    end(undefined)
  }
  query.reject = (error) => {
    reject(error)
    end(error)
  }
}

function isDriverQuery(value: unknown): value is DriverQuery {
  return (
    typeof value === 'object' &&
    value !== null &&
    'handler' in value &&
    typeof value.handler === 'function' &&
    'resolve' in value &&
    typeof value.resolve === 'function' &&
    'reject' in value &&
    typeof value.reject === 'function'
  )
}
