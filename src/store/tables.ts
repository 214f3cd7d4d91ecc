// The names of our tables, schema-qualified and escaped, so that no statement relies on a search path.

import type postgres from 'postgres'
import type { Dialect } from './dialect.js'

export type Sql = postgres.ISql

/** The name of a table or column inside a statement. */
export type Identifier = postgres.Helper<string>

export interface Tables {
  readonly dialect: Dialect
  readonly settings: Identifier
  /** The books of the migrations. */
  readonly migrationsApplied: Identifier
  readonly leases: Identifier
  readonly partitions: Identifier
  readonly definitions: Identifier
  readonly executions: Identifier
  readonly events: Identifier
  readonly timers: Identifier
  readonly signals: Identifier
  readonly schedules: Identifier
  readonly gates: Identifier
  readonly turns: Identifier
  readonly retention: Identifier
  /**
   * A table of executions by one of its indexes, for statements that look many rows up at once. CockroachDB is held to
   * it: its plans follow statistics that are minutes old, and while those say that a table is empty, every commit would
   * read it from end to end. PostgreSQL has a setting for that (`pool.ts`).
   */
  readonly by: (index: Index) => Identifier | Fragment
}

export type Fragment = postgres.PendingQuery<postgres.Row[]>

export type Index =
  | `executions_${'pkey' | 'ready' | 'claimed' | 'stranded' | 'children' | 'attributes' | 'listed' | 'troubled' | 'waiting' | 'shared'}`
  | 'events_pkey'
  | `timers_${'pkey' | 'due'}`
  | `signals_${'pkey' | 'unread'}`
  | `gates_${'pkey' | 'due' | 'workflow'}`
  | `turns_${'pkey' | 'lined'}`

/** What a statement needs: a way to the database (the pool or one transaction) and the names of the tables. */
export interface Database {
  readonly sql: Sql
  readonly tables: Tables
}

/** Where the views for people are; see sql/reporting.md. */
export function reportingSchema(schema: string): string {
  return `${schema}_reporting`
}

export function tablesOf(sql: Sql, schema: string, dialect: Dialect): Tables {
  const name = (table: string): Identifier => sql(`${schema}.${table}`)
  const by = (index: Index): Identifier | Fragment => {
    const table = name(index.slice(0, index.indexOf('_')))
    return dialect === 'cockroachdb' ? sql`${table}@{force_index=${sql(index)},avoid_full_scan}` : table
  }
  return {
    dialect,
    settings: name('settings'),
    migrationsApplied: name('migrations_applied'),
    leases: name('leases'),
    partitions: name('partitions'),
    definitions: name('definitions'),
    executions: name('executions'),
    events: name('events'),
    timers: name('timers'),
    signals: name('signals'),
    schedules: name('schedules'),
    gates: name('gates'),
    turns: name('turns'),
    retention: name('retention'),
    by,
  }
}
