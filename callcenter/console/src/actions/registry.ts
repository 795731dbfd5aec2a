/**
 * What can be done to a ticket, as forms: `event` of `allowed` -> the component that asks what the command needs.
 * Each area has a file `<area>.ts` here with `export const forms`. A form gets `story` and tells `done` after it has
 * carried the command out, or `cancel`. Those it names in `tells` say themselves to the person what was done, since
 * they know more of it; for the others the screen does.
 */
import type { Component } from 'vue'

export type FormLoader = () => Promise<Component>

const areas = import.meta.glob<{ forms: Record<string, FormLoader>; tells?: readonly string[] }>(['./*.ts', '!./registry.ts', '!./form.ts'], { eager: true })

export const forms: Record<string, FormLoader> = Object.assign({}, ...Object.values(areas).map((one) => one.forms))

const telling = new Set(Object.values(areas).flatMap((one) => one.tells ?? []))

/** Whether the form of this event says itself that it is done. */
export const tellsItself = (event: string): boolean => telling.has(event)
