// Views: filters with a name. Three are given; those that somebody saves stay in this browser.

import { signal } from '@preact/signals'
import { load, save } from '../storage.js'

export interface View {
  readonly name: string
  /** The query of the address; empty: everything. */
  readonly query: string
}

export const GIVEN: readonly View[] = [
  { name: 'All', query: '' },
  { name: 'Open', query: 'status=queued,running,waiting,paused,blocked,dead' },
  { name: 'Needs attention', query: 'status=failed,blocked,dead' },
]

const KEY = 'views'
const VIEWS_MAX = 20

export const savedViews = signal<readonly View[]>(readViews(load(KEY)))

function readViews(stored: unknown): View[] {
  if (!Array.isArray(stored)) return []
  return stored.flatMap((one: unknown) => {
    const { name, query } = Object(one)
    return typeof name === 'string' && typeof query === 'string' ? [{ name, query }] : []
  })
}

/** One with the same name is replaced. */
export function saveView(view: View): void {
  savedViews.value = [...savedViews.value.filter(({ name }) => name !== view.name), view].slice(-VIEWS_MAX)
  save(KEY, savedViews.value)
}

export function forgetView(name: string): void {
  savedViews.value = savedViews.value.filter((view) => view.name !== name)
  save(KEY, savedViews.value)
}

/** The same filter, whatever the order, the page and the way it is encoded. */
export function isSameQuery(one: string, other: string): boolean {
  return normal(one) === normal(other)
}

function normal(text: string): string {
  const query = new URLSearchParams(text)
  query.delete('cursor')
  query.sort()
  return query.toString()
}
