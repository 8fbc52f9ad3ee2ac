//! Convolution and pooling over one or two dimensions. One dimension is taken as
//! two, the first of which is 1.

use super::one;
use crate::node::{Args, Kernel, Node};
use crate::value::{Done, Value, count};

/// How one dimension is walked.
#[derive(Clone, Copy, Debug)]
struct Walk {
    kernel: usize,
    stride: usize,
    dilation: usize,
    /// Before and after, where the padding is explicit.
    pads: (usize, usize),
}

/// How the padding is found.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Padding {
    Explicit,
    SameUpper,
    SameLower,
    Valid,
}

/// A walked dimension, for an input of a certain size.
#[derive(Clone, Copy, Debug)]
struct Span {
    walk: Walk,
    size: usize,
    /// How many elements come out.
    out: usize,
    /// How much of the padding comes before the input, and after it.
    before: usize,
    after: usize,
}

/// The attributes that all of these operators share, read but not yet checked
/// against a kernel's shape.
#[derive(Debug)]
struct Window {
    kernel: Option<Vec<i64>>,
    strides: Option<Vec<i64>>,
    dilations: Option<Vec<i64>>,
    pads: Option<Vec<i64>>,
    padding: Padding,
    ceil: bool,
}

/// No stride, kernel or padding goes beyond it.
const MOST: usize = 1 << 12;

impl Window {
    fn read(node: &mut Node) -> Done<Self> {
        let padding = [
            ("NOTSET", Padding::Explicit),
            ("SAME_UPPER", Padding::SameUpper),
            ("SAME_LOWER", Padding::SameLower),
            ("VALID", Padding::Valid),
        ];
        Ok(Self {
            kernel: node.ints("kernel_shape")?,
            strides: node.ints("strides")?,
            dilations: node.ints("dilations")?,
            pads: node.ints("pads")?,
            padding: node.word("auto_pad", &padding)?,
            ceil: node.flag("ceil_mode", false)?,
        })
    }

    /// One walk for each dimension of the kernel.
    fn walks(&self, kernel: &[usize]) -> Done<Vec<Walk>> {
        let rank = kernel.len();
        if !(1..=2).contains(&rank) {
            return Err(format!("{rank} dimensions; one and two are supported"));
        }
        let read = |name: &str, values: &Option<Vec<i64>>, n: usize, default: usize, least: usize| {
            let Some(values) = values else { return Ok(vec![default; n]) };
            let size = |&v: &i64| usize::try_from(v).ok().filter(|v| (least..=MOST).contains(v));
            let sizes: Option<Vec<usize>> = values.iter().map(size).collect();
            let sizes = sizes.filter(|sizes| sizes.len() == n);
            sizes.ok_or_else(|| format!("the attribute `{name}` is {values:?}; {n} sizes are needed"))
        };
        let strides = read("strides", &self.strides, rank, 1, 1)?;
        let dilations = read("dilations", &self.dilations, rank, 1, 1)?;
        let pads = read("pads", &self.pads, rank * 2, 0, 0)?;
        if kernel.iter().any(|n| !(1..=MOST).contains(n)) {
            return Err(format!("a kernel of the shape {kernel:?}"));
        }
        let (before, after) = pads.split_at_checked(rank).unwrap_or_default();
        let walks = kernel.iter().zip(strides).zip(dilations).zip(before.iter().zip(after));
        let walk = |(((&kernel, stride), dilation), (&before, &after))| Walk {
            kernel,
            stride,
            dilation,
            pads: (before, after),
        };
        Ok(walks.map(walk).collect())
    }

    fn span(&self, walk: Walk, size: usize) -> Done<Span> {
        let reach = (walk.kernel - 1).checked_mul(walk.dilation).and_then(|n| n.checked_add(1));
        let reach = reach.ok_or("the kernel is too large")?;
        let (before, after) = match self.padding {
            Padding::Explicit => walk.pads,
            Padding::Valid => (0, 0),
            same => {
                let out = size.div_ceil(walk.stride);
                let needed = out.saturating_sub(1).saturating_mul(walk.stride).saturating_add(reach);
                let pad = needed.saturating_sub(size);
                let half = if same == Padding::SameUpper { pad / 2 } else { pad.div_ceil(2) };
                (half, pad - half)
            }
        };
        let padded = size.saturating_add(before).saturating_add(after);
        let room = padded
            .checked_sub(reach)
            .ok_or_else(|| format!("a kernel over {reach} elements does not fit into {padded}"))?;
        let mut out = if self.ceil { room.div_ceil(walk.stride) } else { room / walk.stride } + 1;
        // The last window must begin inside the input or the padding before it.
        if self.ceil && (out - 1) * walk.stride >= size + before {
            out -= 1;
        }
        Ok(Span { walk, size, out, before, after })
    }

    /// The spans of an input of the shape [n, channels, …], two of them.
    fn spans(&self, dims: &[usize], kernel: &[usize]) -> Done<[Span; 2]> {
        let spatial = dims.get(2..).unwrap_or_default();
        if spatial.len() != kernel.len() {
            return Err(format!(
                "the input has the shape {dims:?}; [n, channels] and {} are needed",
                kernel.len()
            ));
        }
        let walks = self.walks(kernel)?;
        let spans = walks.into_iter().zip(spatial).map(|(walk, &size)| self.span(walk, size));
        match spans.collect::<Done<Vec<Span>>>()?.as_slice() {
            [only] => {
                let walk = Walk { kernel: 1, stride: 1, dilation: 1, pads: (0, 0) };
                Ok([Span { walk, size: 1, out: 1, before: 0, after: 0 }, *only])
            }
            [rows, columns] => Ok([*rows, *columns]),
            _ => Err("one or two dimensions are supported".into()),
        }
    }
}

impl Span {
    /// The input's place under one element of the kernel, if it is inside.
    fn place(&self, out: usize, kernel: usize) -> Option<usize> {
        let at = (out * self.walk.stride + kernel * self.walk.dilation).checked_sub(self.before)?;
        (at < self.size).then_some(at)
    }

    /// The outputs whose place under one element of the kernel is inside the
    /// input, and the first of those places.
    fn inside(&self, kernel: usize) -> (std::ops::Range<usize>, usize) {
        let shift = kernel * self.walk.dilation;
        let first = self.before.saturating_sub(shift).div_ceil(self.walk.stride);
        let end = (self.size + self.before).saturating_sub(shift).div_ceil(self.walk.stride).min(self.out);
        let place = (first * self.walk.stride + shift).saturating_sub(self.before);
        (first.min(end)..end, place)
    }
}

/// The shape that comes out, of the rank that went in.
fn shape_out(dims: &[usize], channels: usize, spans: &[Span; 2]) -> Vec<usize> {
    let lead = [dims.first().copied().unwrap_or(0), channels];
    let [rows, columns] = spans;
    if dims.len() == 3 {
        [&lead[..], &[columns.out]].concat()
    } else {
        [&lead[..], &[rows.out, columns.out]].concat()
    }
}

/// Conv
pub fn conv(node: &mut Node) -> Done<Kernel> {
    let window = Window::read(node)?;
    let groups = node.int("group")?.unwrap_or(1);
    let groups = usize::try_from(groups).ok().filter(|n| (1..=MOST).contains(n)).ok_or("no such `group`")?;
    one(move |args| {
        let (x, w) = (args.get(0)?, args.get(1)?);
        let [maps, channels, kernel @ ..] = w.dims.as_slice() else {
            return Err(format!("the weights have the shape {:?}", w.dims));
        };
        let given = window.kernel.iter().flatten().map(|&n| usize::try_from(n).unwrap_or(0));
        if window.kernel.is_some() && !given.eq(kernel.iter().copied()) {
            return Err(format!("`kernel_shape` is not that of the weights, {:?}", w.dims));
        }
        let spans = window.spans(&x.dims, kernel)?;
        let inputs = x.dims.get(1).copied().unwrap_or(0);
        if Some(inputs) != channels.checked_mul(groups) || maps % groups != 0 || *maps == 0 || inputs == 0 {
            return Err(format!("{inputs} channels in {groups} groups don't go with weights {:?}", w.dims));
        }
        let out_dims = shape_out(&x.dims, *maps, &spans);
        let mut out = vec![0.0_f32; count(&out_dims)?];
        let (x_values, w_values) = (singles(x)?, singles(w)?);
        let [rows, columns] = &spans;
        let (plane, out_plane) = (rows.size * columns.size, rows.out * columns.out);
        if let Some(bias) = args.optional(2) {
            let bias = singles(bias)?;
            if bias.len() != *maps {
                return Err(format!("{} biases for {maps} maps", bias.len()));
            }
            let planes = out.chunks_exact_mut(out_plane.max(1)).zip(bias.iter().cycle());
            planes.for_each(|(plane, bias)| plane.fill(*bias));
        }
        if out.is_empty() || plane == 0 {
            return Value::f32(out_dims, out);
        }
        let size = rows.walk.kernel * columns.walk.kernel;
        let per_group = maps / groups;
        let images = x_values.chunks_exact(plane * inputs).zip(out.chunks_exact_mut(out_plane * maps));
        for (image, out) in images {
            let parts = image.chunks_exact(plane * channels).zip(out.chunks_exact_mut(out_plane * per_group));
            for ((image, out), w) in parts.zip(w_values.chunks_exact(size * channels * per_group)) {
                let maps = out.chunks_exact_mut(out_plane).zip(w.chunks_exact(size * channels));
                for (out, w) in maps {
                    let channels = image.chunks_exact(plane).zip(w.chunks_exact(size));
                    channels.for_each(|(image, w)| convolve(image, w, &spans, out));
                }
            }
        }
        Value::f32(out_dims, out)
    })
}

fn singles(value: &Value) -> Done<&[f32]> {
    match &value.data {
        crate::value::Data::F32(values) => Ok(values),
        other => Err(format!("FLOAT is supported here, not {}", other.kind().name())),
    }
}

/// Adds one channel's part to one map, along rows, which lie together.
fn convolve(image: &[f32], weights: &[f32], spans: &[Span; 2], out: &mut [f32]) {
    let [rows, columns] = spans;
    for (at, w) in weights.iter().enumerate() {
        let (ky, kx) = (at / columns.walk.kernel, at % columns.walk.kernel);
        let (range, first) = columns.inside(kx);
        for (y, out) in out.chunks_exact_mut(columns.out).enumerate() {
            let Some(row) = rows.place(y, ky) else { continue };
            let from = image.get(row * columns.size + first..(row + 1) * columns.size).unwrap_or_default();
            let out = out.get_mut(range.clone()).unwrap_or_default();
            if columns.walk.stride == 1 {
                out.iter_mut().zip(from).for_each(|(out, x)| *out += w * x);
            } else {
                out.iter_mut()
                    .zip(from.iter().step_by(columns.walk.stride))
                    .for_each(|(out, x)| *out += w * x);
            }
        }
    }
}

/// MaxPool, without its indices.
pub fn max_pool(node: &mut Node) -> Done<Kernel> {
    if node.outputs() > 1 {
        return Err("its indices are not supported".into());
    }
    node.ignore("storage_order");
    let window = Window::read(node)?;
    one(move |args| {
        pool(args, &window, |elements, _| {
            elements.fold(f32::NEG_INFINITY, |most, x| if x > most || x.is_nan() { x } else { most })
        })
    })
}

/// AveragePool
pub fn average_pool(node: &mut Node) -> Done<Kernel> {
    let with_padding = node.flag("count_include_pad", false)?;
    let window = Window::read(node)?;
    one(move |args| {
        pool(args, &window, |elements, padded| {
            let (mut sum, mut n) = (0.0, 0_usize);
            for x in elements {
                sum += x;
                n += 1;
            }
            sum / if with_padding { padded } else { n.max(1) } as f32
        })
    })
}

/// Every window's elements inside the input, and how many places it has inside
/// the padded input.
fn pool(
    args: &Args<'_>,
    window: &Window,
    result: impl Fn(&mut dyn Iterator<Item = f32>, usize) -> f32,
) -> Done<Value> {
    let x = args.get(0)?;
    let kernel = window.kernel.as_ref().ok_or("the attribute `kernel_shape` is missing")?;
    let kernel = kernel.iter().map(|&n| usize::try_from(n).unwrap_or(0)).collect::<Vec<_>>();
    let spans = window.spans(&x.dims, &kernel)?;
    let [rows, columns] = &spans;
    let dims = shape_out(&x.dims, x.dims.get(1).copied().unwrap_or(0), &spans);
    let mut out = Vec::with_capacity(count(&dims)?);
    let plane = rows.size * columns.size;
    let row_places: Vec<_> = (0..rows.out).map(|y| places(rows, y)).collect();
    let column_places: Vec<_> = (0..columns.out).map(|x| places(columns, x)).collect();
    for image in singles(x)?.chunks_exact(plane.max(1)) {
        for (ys, high) in &row_places {
            for (xs, wide) in &column_places {
                let row = |y: &usize| image.get(y * columns.size..(y + 1) * columns.size).unwrap_or_default();
                let mut elements =
                    ys.iter().flat_map(|y| xs.iter().filter_map(move |x| row(y).get(*x).copied()));
                out.push(result(&mut elements, high * wide));
            }
        }
    }
    Value::f32(dims, out)
}

/// The places of one window along a dimension: those inside the input, and how
/// many are inside the padded input.
fn places(span: &Span, out: usize) -> (Vec<usize>, usize) {
    // A kernel larger than what it walks over is not walked in full.
    let start = out * span.walk.stride;
    let end = span.before + span.size + span.after;
    let many = end.saturating_sub(start).div_ceil(span.walk.dilation).min(span.walk.kernel);
    ((0..many).filter_map(|k| span.place(out, k)).collect(), many)
}
