// The ledger: reservations and payments, in a schema of the example's own in the engine's database. A payment is
// written only inside `ctx.transaction`, so it exists exactly once. `payments` has no unique key on the execution on
// purpose: a second payment of one flight must show up in the audit instead of being prevented by an index.

import type { Sql, TransactionSql } from 'postgres'

export interface Payment {
  readonly executionId: string
  readonly amountCents: number
  readonly reference: string
  readonly attempts: number
}

export interface LedgerEntry {
  readonly executionId: string
  readonly payments: number
  readonly paidCents: number
  readonly attempts: number
  /** Of the reservation; null: there is none. */
  readonly reservation: string | null
}

export class Ledger {
  private readonly sql: Sql
  private readonly schema: string

  /** @param schema made by `prepare`; `<schema of the engine>_example` */
  constructor(sql: Sql, schema: string) {
    this.sql = sql
    this.schema = schema
  }

  /** Makes the tables when they are missing; safe beside other processes that do the same. */
  async prepare(): Promise<void> {
    for (let left = 5; ; left -= 1) {
      try {
        return await this.createTables()
      } catch (error) {
        // "if not exists" looks first and creates then: two processes may both find nothing.
        if (left === 0 || !isDuplicate(error)) throw error
      }
    }
  }

  /** Idempotent: a second attempt finds the reservation of the first. */
  async reserve(executionId: string, amountCents: number): Promise<void> {
    const { sql, schema } = this
    await sql`
      insert into ${sql(schema)}.reservations (execution_id, amount_cents, state)
      values (${executionId}::text, ${amountCents}::int4, 'held')
      on conflict (execution_id) do nothing`
  }

  /** Idempotent; never touches one that was spent. */
  async release(executionId: string): Promise<void> {
    const { sql, schema } = this
    await sql`
      update ${sql(schema)}.reservations set state = 'released'
      where execution_id = ${executionId}::text and state = 'held'`
  }

  /** Spends the reservation and writes the payment, within the given transaction. */
  async pay(transaction: TransactionSql, payment: Payment): Promise<void> {
    const schema = transaction(this.schema)
    const { executionId, amountCents, reference, attempts } = payment
    const spent = await transaction`
      update ${schema}.reservations set state = 'spent'
      where execution_id = ${executionId}::text and state = 'held' and amount_cents = ${amountCents}::int4
      returning execution_id`
    if (spent.length !== 1)
      throw new Error(`There is no reservation of ${amountCents} cents for ${executionId}.`)
    await transaction`
      insert into ${schema}.payments (execution_id, amount_cents, reference, attempts)
      values (${executionId}::text, ${amountCents}::int4, ${reference}::text, ${attempts}::int4)`
  }

  /** All entries whose execution ids begin with `prefix`. */
  async read(prefix: string): Promise<LedgerEntry[]> {
    const { sql } = this
    const schema = sql(this.schema)
    const pattern = `${prefix.replaceAll(/[\\%_]/g, '\\$&')}%`
    return sql<LedgerEntry[]>`
      select coalesce(r.execution_id, p.execution_id) as "executionId", r.state as "reservation",
        coalesce(p.payments, 0)::int4 as "payments", coalesce(p.cents, 0)::float8 as "paidCents",
        coalesce(p.attempts, 0)::int4 as "attempts"
      from (select execution_id, state from ${schema}.reservations where execution_id like ${pattern}::text) r
      full join (
        select execution_id, count(*) as payments, sum(amount_cents) as cents, sum(attempts) as attempts
        from ${schema}.payments where execution_id like ${pattern}::text group by execution_id
      ) p on p.execution_id = r.execution_id`
  }

  private async createTables(): Promise<void> {
    const { sql } = this
    const schema = sql(this.schema)
    await sql`create schema if not exists ${schema}`
    await sql`
      create table if not exists ${schema}.reservations (
        execution_id text not null primary key,
        amount_cents int4 not null,
        state text not null,
        reserved_at timestamptz not null default now()
      )`
    await sql`
      create table if not exists ${schema}.payments (
        payment_id uuid not null primary key default gen_random_uuid(),
        execution_id text not null,
        amount_cents int4 not null,
        reference text not null,
        attempts int4 not null,
        paid_at timestamptz not null default now()
      )`
    await sql`create index if not exists payments_execution on ${schema}.payments (execution_id)`
  }
}

/** unique_violation (of the catalog), duplicate_schema, duplicate_table. */
const DUPLICATES = ['23505', '42P06', '42P07']

function isDuplicate(error: unknown): boolean {
  return error instanceof Error && 'code' in error && DUPLICATES.includes(String(error.code))
}
