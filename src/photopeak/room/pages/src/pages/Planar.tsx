// Both views side by side, linked; a second pair at a higher or lower window, or of an earlier study, beside them.

import { useEffect, useState } from 'preact/hooks'
import { type Mark, type Picture, type Point, get } from '../api'
import type { Look } from '../viewer/geometry'
import { plane as fetchPlane } from '../viewer/planes'
import { type Drawn, type Plane, type Tool, View } from '../viewer/View'
import type { Display } from './Reading'

interface Props {
  study: number
  state: string
  picture: Picture
  prior: number
  look: Look
  onLook: (look: Look) => void
  display: Display
  onWindow: (low: number, high: number) => void
  tool: Tool
  brush: number
  marks: Mark[]
  chosen: string
  onChoose: (id: string) => void
  onDrawn: (d: Drawn) => void
  onBrush: (view: string, stroke: Point[], erase: boolean) => void
  onMarkMoved?: (id: string, points: Point[]) => void
  overlays: Record<string, { image: ImageBitmap; colour: string }[]>
  opacity: number
}

const DUAL = 0.35
/** The second pair shows faint uptake: this share of the first window. */

export function Planar(props: Props) {
  const { picture, display } = props
  const { planes, error } = usePlanes(props.study, props.state, picture)
  const prior = usePrior(props.prior)
  const [cursor, setCursor] = useState<Point | null>(null)
  const views = viewsOf(picture)
  const window = { low: display.low, high: display.high, map: display.map, root: display.root }
  const one = (view: string, i: number, share: number) => (
    <View
      key={`${view} ${share}`}
      name={`window ${Math.round(window.low)} to ${Math.round(window.high * share)}`}
      view={view}
      plane={planes[i] ?? null}
      error={error}
      look={props.look}
      window={{ ...window, high: window.high * share }}
      unit={picture.unit}
      tool={props.tool}
      brush={props.brush}
      marks={props.marks.filter((m) => m.view === view)}
      chosen={props.chosen}
      overlays={(props.overlays[view] ?? []).map((o) => ({ ...o, opacity: props.opacity }))}
      cursor={cursor}
      onLook={props.onLook}
      onWindow={(low, high) => props.onWindow(low, high / share)}
      onDrawn={props.onDrawn}
      onBrush={props.onBrush}
      onChoose={props.onChoose}
      onMarkMoved={props.onMarkMoved}
      onCursor={setCursor}
    />
  )
  return (
    <div class="views" data-study={props.study}>
      {views.map((v, i) => one(v, i, 1))}
      {display.dual && !props.prior && views.slice(0, 2).map((v, i) => one(v, i, DUAL))}
      {prior && prior.planes.map((p, i) => (
        <View key={`prior ${i}`} name="prior study" view={`${prior.views[i]} ${prior.date}`} plane={p} look={props.look} onLook={props.onLook} unit={picture.unit}
          window={{ ...window, high: prior.top * (window.high / picture.top) }} />
      ))}
    </div>
  )
}

export function viewsOf(picture: Picture): string[] {
  const axis = picture.axes.find((a) => a.name === 'view')
  return axis && axis.labels.length ? axis.labels : Array.from({ length: picture.planes }, (_, i) => (picture.planes > 1 ? `plane ${i + 1}` : 'view'))
}

function usePlanes(study: number, state: string, picture: Picture) {
  const [planes, setPlanes] = useState<Plane[]>([])
  const [error, setError] = useState('')
  useEffect(() => {
    let current = true
    setPlanes([])
    setError('')
    Promise.all(viewsOf(picture).slice(0, 8).map((_, i) => fetchPlane(study, state, picture, i))).then(
      (made) => current && setPlanes(made),
      (e: Error) => current && setError(e.message),
    )
    return () => {
      current = false
    }
  }, [study, state, picture])
  return { planes, error }
}

function usePrior(study: number) {
  const [made, setMade] = useState<{ planes: Plane[]; views: string[]; top: number; date: string } | null>(null)
  useEffect(() => {
    if (!study) return setMade(null)
    let current = true
    const load = async () => {
      const [{ state, pictures }, detail] = await Promise.all([
        get<{ state: string; pictures: Picture[] }>(`/api/studies/${study}/pictures`),
        get<{ date: string }>(`/api/studies/${study}`),
      ])
      const picture = pictures.find((p) => p.manner === 'planar')
      if (!picture) return
      const views = viewsOf(picture).slice(0, 2)
      const planes = await Promise.all(views.map((_, i) => fetchPlane(study, state, picture, i)))
      if (current) setMade({ planes, views, top: picture.top, date: `${detail.date.slice(0, 4)}-${detail.date.slice(4, 6)}` })
    }
    load().catch(() => current && setMade(null))
    return () => {
      current = false
    }
  }, [study])
  return made
}
