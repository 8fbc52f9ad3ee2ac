//! A graph put in order: names become numbers, constants are computed once, and
//! every tensor goes as soon as nobody needs it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use modelyard_sdk::prelude::{Error, Result};

use crate::model::{Model, NodeDef, ValueInfo};
use crate::node::{Args, Kernel, Node};
use crate::ops;
use crate::value::{MAX_ELEMENTS, Value};

/// Where a tensor is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// An input that is left out.
    Nowhere,
    /// A constant.
    Constant(usize),
    /// A tensor of this prediction.
    Slot(usize),
}

struct Step {
    /// The node as errors name it.
    name: String,
    kernel: Kernel,
    /// Each input and whether this is its last use.
    inputs: Vec<(Place, bool)>,
    /// The slot of each output, none where nobody wants it.
    outputs: Vec<Option<usize>>,
}

/// A graph, ready to run.
#[derive(Default)]
pub struct Plan {
    constants: Vec<Value>,
    slots: usize,
    steps: Vec<Step>,
    outputs: Vec<(String, Place)>,
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("steps", &self.steps.len()).field("slots", &self.slots).finish()
    }
}

/// Names being turned into places.
#[derive(Default)]
struct Building {
    plan: Plan,
    places: BTreeMap<String, Place>,
    /// Elements of constants that folding made.
    folded: usize,
}

impl Plan {
    /// Orders a graph whose open inputs are `inputs`; those get the first slots.
    pub fn new(model: Model, inputs: &[ValueInfo]) -> Result<Plan> {
        let Model { opsets, graph } = model;
        let mut building = Building::default();
        for (name, value) in graph.initializers {
            building.constant(name, value)?;
        }
        for input in inputs {
            building.slot(&input.name)?;
        }
        for node in in_order(graph.nodes, &building.places)? {
            let opset = ops::check_opset(&node, &opsets)?;
            building.step(node, opset)?;
        }
        let Building { mut plan, places, .. } = building;
        for output in &graph.outputs {
            let Some(&place) = places.get(&output.name) else {
                return Err(Error::invalid(format!("no node gives the output `{}`", output.name)));
            };
            plan.outputs.push((output.name.clone(), place));
        }
        plan.mark_last_uses();
        Ok(plan)
    }

    /// Runs the graph on its inputs, in the order in which they were given to
    /// [`new`](Self::new). The outputs come in the graph's order.
    pub fn run(&self, inputs: Vec<Value>) -> Result<Vec<Value>> {
        let mut slots: Vec<Option<Value>> = inputs.into_iter().map(Some).collect();
        slots.resize_with(self.slots, || None);
        for step in &self.steps {
            let results = step.run(&self.constants, &mut slots)?;
            for (slot, value) in step.outputs.iter().zip(results) {
                if let Some(slot) = slot.and_then(|at| slots.get_mut(at)) {
                    *slot = Some(value);
                }
            }
        }
        let mut outputs = Vec::with_capacity(self.outputs.len());
        for (at, (name, place)) in self.outputs.iter().enumerate() {
            let again = self.outputs.iter().skip(at + 1).any(|(_, other)| other == place);
            let value = match *place {
                Place::Nowhere => None,
                Place::Constant(at) => self.constants.get(at).cloned(),
                Place::Slot(at) if again => slots.get(at).cloned().flatten(),
                Place::Slot(at) => slots.get_mut(at).and_then(Option::take),
            };
            outputs.push(value.ok_or_else(|| Error::internal(format!("the output `{name}` is not there")))?);
        }
        Ok(outputs)
    }

    /// Finds where each tensor is used for the last time.
    fn mark_last_uses(&mut self) {
        let mut kept = vec![false; self.slots];
        for (_, place) in &self.outputs {
            if let Place::Slot(at) = place
                && let Some(kept) = kept.get_mut(*at)
            {
                *kept = true;
            }
        }
        for step in self.steps.iter_mut().rev() {
            for (place, last) in step.inputs.iter_mut().rev() {
                if let Place::Slot(at) = place
                    && let Some(kept) = kept.get_mut(*at)
                {
                    *last = !*kept;
                    *kept = true;
                }
            }
            // A tensor that the node takes twice is lent both times.
            let places: Vec<Place> = step.inputs.iter().map(|(place, _)| *place).collect();
            for (place, last) in &mut step.inputs {
                *last &= places.iter().filter(|other| *other == place).count() == 1;
            }
        }
    }
}

impl Step {
    fn run(&self, constants: &[Value], slots: &mut [Option<Value>]) -> Result<Vec<Value>> {
        let mut owned: Vec<Option<Value>> = Vec::with_capacity(self.inputs.len());
        for (place, last) in &self.inputs {
            owned.push(match place {
                Place::Slot(at) if *last => slots.get_mut(*at).and_then(Option::take),
                _ => None,
            });
        }
        let lend = |(owned, (place, _)): (Option<Value>, &(Place, bool))| match (owned, *place) {
            (Some(value), _) => Some(Cow::Owned(value)),
            (None, Place::Constant(at)) => constants.get(at).map(Cow::Borrowed),
            (None, Place::Slot(at)) => slots.get(at).and_then(Option::as_ref).map(Cow::Borrowed),
            (None, Place::Nowhere) => None,
        };
        let mut args = Args(owned.into_iter().zip(&self.inputs).map(lend).collect());
        let results = (self.kernel)(&mut args).map_err(|fault| self.fault(&fault))?;
        let wanted = self.outputs.iter().rposition(Option::is_some).map_or(0, |at| at + 1);
        if results.len() < wanted {
            return Err(self.fault(&format!("it has {} outputs, not {wanted}", results.len())));
        }
        Ok(results)
    }

    fn fault(&self, what: &str) -> Error {
        Error::invalid(format!("{}: {what}", self.name))
    }
}

impl Building {
    fn place(&mut self, name: String, place: Place) -> Result<()> {
        if name.is_empty() {
            return Err(Error::invalid("an initializer or an input has no name"));
        }
        match self.places.insert(name.clone(), place) {
            None => Ok(()),
            Some(_) => Err(Error::invalid(format!("the tensor `{name}` is given twice"))),
        }
    }

    fn constant(&mut self, name: String, value: Value) -> Result<()> {
        self.plan.constants.push(value);
        self.place(name, Place::Constant(self.plan.constants.len() - 1))
    }

    fn slot(&mut self, name: &str) -> Result<usize> {
        let at = self.plan.slots;
        self.plan.slots += 1;
        self.place(name.to_owned(), Place::Slot(at))?;
        Ok(at)
    }

    fn step(&mut self, def: NodeDef, opset: i64) -> Result<()> {
        let name = label(&def);
        let mut inputs = Vec::with_capacity(def.inputs.len());
        for input in &def.inputs {
            let place = if input.is_empty() { Some(&Place::Nowhere) } else { self.places.get(input) };
            inputs.push((*place.ok_or_else(|| missing(&def, input))?, false));
        }
        let outputs = def.outputs.clone();
        let (domain, op) = (def.domain.clone(), def.op.clone());
        let kernel = ops::build(Node::new(def, opset), (&domain, &op), &name)?;
        let mut step = Step { name, kernel, inputs, outputs: Vec::new() };
        let constant = step.inputs.iter().all(|(place, _)| !matches!(place, Place::Slot(_)));
        if constant && self.folded < MAX_ELEMENTS {
            step.outputs = outputs.iter().map(|name| (!name.is_empty()).then_some(0)).collect();
            let results = step.run(&self.plan.constants, &mut [])?;
            for (name, value) in outputs.into_iter().zip(results).filter(|(name, _)| !name.is_empty()) {
                self.folded = self.folded.saturating_add(value.data.len());
                self.constant(name, value)?;
            }
            return Ok(());
        }
        for output in &outputs {
            step.outputs.push(if output.is_empty() { None } else { Some(self.slot(output)?) });
        }
        self.plan.steps.push(step);
        Ok(())
    }
}

/// A node as errors name it.
pub fn label(node: &NodeDef) -> String {
    format!("node `{}` ({})", node.name, node.op)
}

fn missing(node: &NodeDef, input: &str) -> Error {
    Error::invalid(format!("{}: nothing gives its input `{input}`", label(node)))
}

/// The nodes, each after those whose outputs it takes.
fn in_order(nodes: Vec<NodeDef>, given: &BTreeMap<String, Place>) -> Result<Vec<NodeDef>> {
    let mut giver: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        for output in node.outputs.iter().filter(|output| !output.is_empty()) {
            if given.contains_key(output) || giver.insert(output, at).is_some() {
                return Err(Error::invalid(format!("{}: its output `{output}` is given twice", label(node))));
            }
        }
    }
    let mut takers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut waiting: Vec<usize> = vec![0; nodes.len()];
    for (at, (node, waiting)) in nodes.iter().zip(&mut waiting).enumerate() {
        for input in node.inputs.iter().filter(|input| !input.is_empty() && !given.contains_key(*input)) {
            let from = *giver.get(input.as_str()).ok_or_else(|| missing(node, input))?;
            if let Some(takers) = takers.get_mut(from) {
                takers.push(at);
            }
            *waiting += 1;
        }
    }
    let mut ready: std::collections::BTreeSet<usize> =
        waiting.iter().enumerate().filter(|(_, n)| **n == 0).map(|(at, _)| at).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(at) = ready.pop_first() {
        order.push(at);
        for &taker in takers.get(at).into_iter().flatten() {
            if let Some(n) = waiting.get_mut(taker) {
                *n -= 1;
                if *n == 0 {
                    ready.insert(taker);
                }
            }
        }
    }
    if order.len() < nodes.len() {
        let stuck = nodes.iter().zip(&waiting).find(|(_, n)| **n > 0).map(|(node, _)| label(node));
        let stuck = stuck.unwrap_or_default();
        return Err(Error::invalid(format!("{stuck}: the graph goes in a circle through it")));
    }
    let mut nodes: Vec<Option<NodeDef>> = nodes.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|at| nodes.get_mut(at).and_then(Option::take)).collect())
}
