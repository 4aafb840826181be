// One view of an image: its pixels on a canvas, and over them what was marked, in a drawing that scales with it.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Mark, Point } from '../api'
import { type Window, paint } from './colours'
import { type Look, type Placement, inside, moved, outline, place, sides, simplified, toImage, zoomed } from './geometry'

export type Tool = 'look' | 'polygon' | 'outline' | 'rectangle' | 'ellipse' | 'brush'

export interface Plane {
  values: ArrayLike<number>
  rows: number
  columns: number
  dx: number
  dy: number
}

export interface Drawn {
  view: string
  shape: Mark['shape']
  points: Point[]
}

interface Props {
  name: string
  /** What is written over the view, such as "anterior". */
  view: string
  plane: Plane | null
  error?: string
  /** Letters at the left and the right edge where the view's name does not say them. */
  edges?: [string, string]
  look: Look
  window: Window
  unit: string
  tool?: Tool
  brush?: number
  marks?: Mark[]
  chosen?: string
  /** A map of 0 to 255 over the image, and how opaque it is. */
  overlays?: { image: ImageBitmap; colour: string; opacity: number }[]
  others?: { points: Point[]; colour: string; dash: string; label: string }[]
  cursor?: Point | null
  onLook?: (look: Look) => void
  onWindow?: (low: number, high: number) => void
  onDrawn?: (drawn: Drawn) => void
  onBrush?: (view: string, stroke: Point[], erase: boolean) => void
  onChoose?: (id: string) => void
  onMarkMoved?: (id: string, points: Point[]) => void
  onCursor?: (at: Point | null) => void
  /** A click on the image where nothing is drawn. */
  onPick?: (at: Point) => void
}

/** An outline drawn by hand has more corners than anybody wants to drag. */
const MOST_HANDLES = 90

export const COLOURS: Record<string, string> = { metastasis: '#d1431f', arthritis: '#1769aa' }

export function View(props: Props) {
  const box = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const [size, setSize] = useState<[number, number]>([0, 0])
  const [drawing, setDrawing] = useState<Point[]>([])
  const image = useImage(props.plane, props.window)
  const { plane, look } = props

  useLayoutEffect(() => {
    const node = box.current!
    const observer = new ResizeObserver(() => setSize([node.clientWidth, node.clientHeight]))
    observer.observe(node)
    return () => observer.disconnect()
  }, [])
  useEffect(() => setDrawing([]), [props.tool])

  const at: Placement = plane ? place(look, size, plane.columns, plane.rows, plane.dx, plane.dy) : { sx: 1, sy: 1, x: 0, y: 0 }
  useLayoutEffect(() => {
    draw(canvas.current!, size, image, at, plane, props)
  })

  const finish = (points: Point[], shape: Mark['shape']) => {
    setDrawing([])
    props.onDrawn?.({ view: props.view, shape, points })
  }
  const actions = pointerActions(props, box, at, drawing, setDrawing, finish)
  const [left, right] = props.edges ?? sides(props.view)
  const transform = `matrix(${at.sx} 0 0 ${at.sy} ${at.x} ${at.y})`
  return (
    <div
      class={`view tool-${props.tool ?? 'look'} ${props.window.map === 'grey' ? 'on-white' : 'on-black'}`}
      ref={box}
      role="application"
      aria-label={`${props.view} view. ${props.name}`}
      tabIndex={0}
      data-ready={image ? 'yes' : 'no'}
      data-view={props.view}
      {...actions}
    >
      <canvas ref={canvas} aria-hidden="true" />
      <svg class="marks" width={size[0]} height={size[1]} aria-hidden="true">
        <g transform={transform}>
          {(props.others ?? []).map((o, i) => (
            <polygon key={i} points={path(o.points)} class="other" stroke={o.colour} stroke-dasharray={o.dash} />
          ))}
          {(props.marks ?? []).map((m) => (
            <polygon
              key={m.id}
              data-mark={m.id}
              points={path(outline(m))}
              stroke={COLOURS[m.finding] ?? '#6a1b9a'}
              class={`mark ${m.state} by-${m.origin} ${m.id === props.chosen ? 'chosen' : ''}`}
            />
          ))}
          {drawing.length > 0 && (
            <polyline
              class={props.tool === 'brush' ? 'stroke' : 'drawing'}
              points={path(sketch(props.tool, drawing))}
              stroke-width={props.tool === 'brush' ? 2 * (props.brush ?? 4) * at.sx : undefined}
            />
          )}
          {props.cursor && <Cross at={props.cursor} p={at} />}
        </g>
        <Handles mark={(props.marks ?? []).find((m) => m.id === props.chosen)} p={at} />
        <Numbers marks={props.marks ?? []} p={at} />
      </svg>
      <span class="label top-left">{left}</span>
      <span class="label top-right">{right}</span>
      <span class="label bottom-left">{props.view}</span>
      <span class="label bottom-right">
        {format(props.window.low)}–{format(props.window.high)} {props.unit.replace(/[{}]/g, '')}
        {props.window.root ? ' √' : ''}
      </span>
      {props.error && <p class="view-error" role="alert">{props.error}</p>}
    </div>
  )
}

function format(v: number): string {
  return Math.abs(v) >= 10 || Number.isInteger(v) ? String(Math.round(v)) : v.toFixed(2)
}

/** The plane as an image of its own size, painted anew when the window changes. */
function useImage(plane: Plane | null, window: Window): HTMLCanvasElement | null {
  const [made, setMade] = useState<HTMLCanvasElement | null>(null)
  const kept = useRef<HTMLCanvasElement | null>(null)
  useLayoutEffect(() => {
    if (!plane) return setMade(null)
    const canvas = (kept.current ??= document.createElement('canvas'))
    canvas.width = plane.columns
    canvas.height = plane.rows
    const context = canvas.getContext('2d')!
    const data = context.createImageData(plane.columns, plane.rows)
    paint(plane.values, window, new Uint32Array(data.data.buffer))
    context.putImageData(data, 0, 0)
    setMade(canvas)
  }, [plane, window.low, window.high, window.map, window.root])
  return made
}

function draw(canvas: HTMLCanvasElement, size: [number, number], image: HTMLCanvasElement | null, at: Placement, plane: Plane | null, props: Props) {
  const ratio = globalThis.devicePixelRatio || 1
  canvas.width = Math.max(1, Math.round(size[0] * ratio))
  canvas.height = Math.max(1, Math.round(size[1] * ratio))
  const context = canvas.getContext('2d')!
  context.fillStyle = props.window.map === 'grey' ? '#fff' : '#000'
  context.fillRect(0, 0, canvas.width, canvas.height)
  if (!image || !plane) return
  context.scale(ratio, ratio)
  // Single counts would flicker where an image is shown smaller than it is; enlarged, its pixels may be seen.
  context.imageSmoothingEnabled = at.sx < 12
  context.imageSmoothingQuality = 'high'
  const [w, h] = [plane.columns * at.sx, plane.rows * at.sy]
  context.drawImage(image, at.x, at.y, w, h)
  for (const o of props.overlays ?? []) {
    if (o.opacity <= 0) continue
    context.globalAlpha = o.opacity
    context.drawImage(o.image, at.x, at.y, w, h)
    context.globalAlpha = 1
  }
}

function path(points: Point[]): string {
  return points.map(([x, y]) => `${x},${y}`).join(' ')
}

function sketch(tool: Tool | undefined, points: Point[]): Point[] {
  if ((tool === 'rectangle' || tool === 'ellipse') && points.length > 1) {
    const shape = outline({ shape: tool, points_px: [points[0]!, points[points.length - 1]!] })
    return [...shape, shape[0]!]
  }
  return points
}

function Cross({ at, p }: { at: Point; p: Placement }) {
  const [rx, ry] = [9 / p.sx, 9 / p.sy]
  return (
    <g class="cross">
      <line x1={at[0] - rx} y1={at[1]} x2={at[0] + rx} y2={at[1]} />
      <line x1={at[0]} y1={at[1] - ry} x2={at[0]} y2={at[1] + ry} />
    </g>
  )
}

function Handles({ mark, p }: { mark: Mark | undefined; p: Placement }) {
  if (!mark || mark.points_px.length > MOST_HANDLES) return null
  return (
    <>
      {mark.points_px.map(([x, y], i) => (
        <circle key={i} class="handle" data-handle={i} cx={x * p.sx + p.x} cy={y * p.sy + p.y} r={mark.points_px.length > 16 ? 2 : 4} />
      ))}
    </>
  )
}

function Numbers({ marks, p }: { marks: Mark[]; p: Placement }) {
  return (
    <>
      {marks.map((m, i) => {
        const points = outline(m)
        const x = Math.max(...points.map((q) => q[0]))
        const y = Math.min(...points.map((q) => q[1]))
        return (
          <text key={m.id} class="number" x={x * p.sx + p.x + 2} y={y * p.sy + p.y} fill={COLOURS[m.finding]}>
            {m.number ?? i + 1}
          </text>
        )
      })}
    </>
  )
}

/** What the pointer does: it moves the image, draws, or changes a mark, as tool and place say. */
function pointerActions(
  props: Props,
  box: { current: HTMLDivElement | null },
  p: Placement,
  drawing: Point[],
  setDrawing: (points: Point[]) => void,
  finish: (points: Point[], shape: Mark['shape']) => void,
) {
  const plane = props.plane
  const where = (e: MouseEvent): Point => {
    const r = box.current!.getBoundingClientRect()
    return toImage(p, [e.clientX - r.left, e.clientY - r.top])
  }
  const kept = useRef<{ kind: string; from: Point; screen: Point; points: Point[]; handle: number; low: number; high: number; look: Look } | null>(null)
  const begin = (kind: string, e: PointerEvent, points: Point[] = [], handle = -1) => {
    box.current!.setPointerCapture(e.pointerId)
    kept.current = { kind, from: where(e), screen: [e.clientX, e.clientY], points, handle, low: props.window.low, high: props.window.high, look: props.look }
  }
  const tool = props.tool ?? 'look'
  return {
    onPointerDown: (e: PointerEvent) => {
      if (!plane) return
      const at = where(e)
      if (e.button === 1) return begin('pan', e)
      if (e.button === 2) return begin('window', e)
      if (tool === 'polygon') {
        const first = drawing[0]
        if (first && drawing.length > 2 && Math.hypot((at[0] - first[0]) * p.sx, (at[1] - first[1]) * p.sy) < 8) return finish(drawing, 'polygon')
        return setDrawing([...drawing, at])
      }
      if (tool !== 'look') {
        setDrawing([at])
        return begin(tool, e, [at])
      }
      const chosen = (props.marks ?? []).find((m) => m.id === props.chosen)
      if (chosen && props.onMarkMoved) {
        const handle = chosen.points_px.findIndex(([x, y]) => Math.hypot((x - at[0]) * p.sx, (y - at[1]) * p.sy) < 7)
        if (handle >= 0 && chosen.points_px.length <= MOST_HANDLES) return begin('handle', e, chosen.points_px, handle)
        if (inside(outline(chosen), at)) return begin('move', e, chosen.points_px)
      }
      const hit = [...(props.marks ?? [])].reverse().find((m) => inside(outline(m), at))
      if (hit) return props.onChoose?.(hit.id)
      props.onChoose?.('')
      props.onPick?.(at)
      begin('pan', e)
    },
    onPointerMove: (e: PointerEvent) => {
      props.onCursor?.(where(e))
      const k = kept.current
      if (!k || !plane) return
      const at = where(e)
      const [dx, dy] = [e.clientX - k.screen[0], e.clientY - k.screen[1]]
      if (k.kind === 'pan') props.onLook?.(moved(k.look, dx, dy, p, plane.columns, plane.rows))
      else if (k.kind === 'window') {
        const high = Math.max(k.low + 1e-3, k.high * Math.exp(dy / 150))
        props.onWindow?.(Math.max(0, k.low + (dx / 400) * k.high), high)
      } else if (k.kind === 'handle') props.onMarkMoved?.(props.chosen!, k.points.map((q, i) => (i === k.handle ? at : q)))
      else if (k.kind === 'move') props.onMarkMoved?.(props.chosen!, k.points.map(([x, y]) => [x + at[0] - k.from[0], y + at[1] - k.from[1]]))
      else {
        k.points = [...k.points, at]
        setDrawing(k.points)
      }
    },
    onPointerUp: (e: PointerEvent) => {
      const k = kept.current
      kept.current = null
      if (!k || !plane) return
      const last = k.points[k.points.length - 1]
      if (k.kind === 'rectangle' || k.kind === 'ellipse') {
        const first = k.points[0]!
        if (last && Math.hypot((last[0] - first[0]) * p.sx, (last[1] - first[1]) * p.sy) > 4) finish([first, last], k.kind)
        else setDrawing([])
      } else if (k.kind === 'outline') {
        const line = simplified(k.points, 0.4)
        if (line.length > 2) finish(line, 'polygon')
        else setDrawing([])
      } else if (k.kind === 'brush') {
        setDrawing([])
        props.onBrush?.(props.view, simplified(k.points, 0.3).slice(0, 500), e.shiftKey)
      }
    },
    onDblClick: () => {
      if (tool === 'polygon' && drawing.length > 2) finish(drawing.slice(0, -1), 'polygon')
    },
    onKeyDown: (e: KeyboardEvent) => {
      if (tool === 'polygon' && e.key === 'Enter' && drawing.length > 2) {
        e.stopPropagation()
        finish(drawing, 'polygon')
      }
      if (e.key === 'Escape') setDrawing([])
    },
    onPointerLeave: () => props.onCursor?.(null),
    onContextMenu: (e: MouseEvent) => e.preventDefault(),
    onWheel: (e: WheelEvent) => {
      e.preventDefault()
      if (plane) props.onLook?.(zoomed(props.look, Math.exp(-e.deltaY / 500), where(e), plane.columns, plane.rows))
    },
  }
}
