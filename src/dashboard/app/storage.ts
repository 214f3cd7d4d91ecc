// What this browser remembers for its user, as JSON. Where the browser forbids it, nothing is remembered and all works.

const PREFIX = 'cerebelum.'

export function load(key: string): unknown {
  try {
    return JSON.parse(window.localStorage.getItem(PREFIX + key) ?? 'null')
  } catch {
    return null
  }
}

export function save(key: string, value: unknown): void {
  try {
    window.localStorage.setItem(PREFIX + key, JSON.stringify(value))
  } catch {
    // Private windows and full storage: it holds until the page is left.
    return
  }
}
