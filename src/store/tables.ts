// The names of our tables, schema-qualified and escaped, so that no statement relies on a search path.

import type postgres from 'postgres'

export type Sql = postgres.ISql

/** The name of a table or column inside a statement. */
export type Identifier = postgres.Helper<string>

export interface Tables {
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
}

/** What a statement needs: a way to the database (the pool or one transaction) and the names of the tables. */
export interface Database {
  readonly sql: Sql
  readonly tables: Tables
}

export function tablesOf(sql: Sql, schema: string): Tables {
  const name = (table: string): Identifier => sql(`${schema}.${table}`)
  return {
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
  }
}
