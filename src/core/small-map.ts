// A map for the few things that one execution waits for. It keeps up to eight entries in one flat array and becomes a
// Map beyond. What a node has in memory is mostly runs, and a run has nine such maps, nearly all of them empty:
// as Maps they were two thirds of a run's 4 kB, and moving those between generations a third of the node's CPU.

const FLAT_MAX = 8

/** The part of `Map` that is used, in insertion order. Deleting while iterating is safe, as with a Map. */
export class SmallMap<K, V> {
  #flat: [K, V][] | undefined
  #map: Map<K, V> | undefined

  get size(): number {
    return this.#map?.size ?? this.#flat?.length ?? 0
  }

  get(key: K): V | undefined {
    if (this.#map !== undefined) return this.#map.get(key)
    return this.#flat === undefined ? undefined : this.#flat[this.#indexOf(key)]?.[1]
  }

  has(key: K): boolean {
    if (this.#map !== undefined) return this.#map.has(key)
    return this.#indexOf(key) >= 0
  }

  set(key: K, value: V): void {
    if (this.#map !== undefined) {
      this.#map.set(key, value)
      return
    }
    const flat = (this.#flat ??= [])
    const entry = flat[this.#indexOf(key)]
    if (entry !== undefined) entry[1] = value
    else flat.push([key, value])
    if (flat.length <= FLAT_MAX) return
    this.#map = new Map(flat)
    this.#flat = undefined
  }

  delete(key: K): boolean {
    if (this.#map !== undefined) return this.#map.delete(key)
    const index = this.#indexOf(key)
    if (index < 0) return false
    this.#flat?.splice(index, 1)
    return true
  }

  clear(): void {
    this.#flat = undefined
    this.#map = undefined
  }

  keys(): IterableIterator<K> {
    return (
      this.#map?.keys() ??
      this.#copy()
        .map(([key]) => key)
        [Symbol.iterator]()
    )
  }

  values(): IterableIterator<V> {
    return (
      this.#map?.values() ??
      this.#copy()
        .map(([, value]) => value)
        [Symbol.iterator]()
    )
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.#map?.entries() ?? this.#copy()[Symbol.iterator]()
  }

  #copy(): [K, V][] {
    return this.#flat === undefined ? [] : this.#flat.slice()
  }

  #indexOf(key: K): number {
    const flat = this.#flat
    if (flat === undefined) return -1
    for (let index = 0; index < flat.length; index++) if (flat[index]?.[0] === key) return index
    return -1
  }
}
