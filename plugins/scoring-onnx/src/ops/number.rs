//! What arithmetic asks of a type of number, so that every operator is written
//! once.

/// A number: f32, f64, i64 or i32. Integers wrap as ONNX Runtime's do; a
/// division by the integer 0 gives 0.
pub trait Number: Copy + PartialOrd + Default + 'static {
    /// The number 1.
    const ONE: Self;
    /// a + b
    fn plus(self, other: Self) -> Self;
    /// a − b
    fn minus(self, other: Self) -> Self;
    /// a · b
    fn times(self, other: Self) -> Self;
    /// a / b
    fn over(self, other: Self) -> Self;
    /// a to the power of b
    fn power(self, other: Self) -> Self;
    /// √a
    fn root(self) -> Self;
    /// The nearest number of the type.
    fn of(value: f64) -> Self;
    /// The number as a double.
    fn double(self) -> f64;

    /// The larger one; NaN where one is NaN.
    fn larger(self, other: Self) -> Self {
        if self > other || self.partial_cmp(&self).is_none() { self } else { other }
    }

    /// The smaller one; NaN where one is NaN.
    fn smaller(self, other: Self) -> Self {
        if self < other || self.partial_cmp(&self).is_none() { self } else { other }
    }
}

macro_rules! float {
    ($type:ty) => {
        impl Number for $type {
            const ONE: Self = 1.0;
            fn plus(self, other: Self) -> Self {
                self + other
            }
            fn minus(self, other: Self) -> Self {
                self - other
            }
            fn times(self, other: Self) -> Self {
                self * other
            }
            fn over(self, other: Self) -> Self {
                self / other
            }
            fn power(self, other: Self) -> Self {
                if other == 2.0 { self * self } else { self.powf(other) }
            }
            fn root(self) -> Self {
                self.sqrt()
            }
            fn of(value: f64) -> Self {
                value as Self
            }
            fn double(self) -> f64 {
                f64::from(self)
            }
        }
    };
}

macro_rules! integer {
    ($type:ty) => {
        impl Number for $type {
            const ONE: Self = 1;
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            fn over(self, other: Self) -> Self {
                if other == 0 { 0 } else { self.wrapping_div(other) }
            }
            fn power(self, other: Self) -> Self {
                Self::of(self.double().powf(other.double()))
            }
            fn root(self) -> Self {
                Self::of(self.double().sqrt())
            }
            fn of(value: f64) -> Self {
                value as Self
            }
            fn double(self) -> f64 {
                self as f64
            }
        }
    };
}

float!(f32);
float!(f64);
integer!(i64);
integer!(i32);

/// The sum of products, in four lanes, which the compiler keeps in registers.
pub fn dot<T: Number>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::default(); 4];
    let (a_parts, a_rest) = a.as_chunks::<4>();
    let (b_parts, b_rest) = b.as_chunks::<4>();
    for (x, y) in a_parts.iter().zip(b_parts) {
        for ((lane, x), y) in lanes.iter_mut().zip(x).zip(y) {
            *lane = lane.plus(x.times(*y));
        }
    }
    let [p, q, r, s] = lanes;
    let rest = a_rest.iter().zip(b_rest).fold(T::default(), |sum, (x, y)| sum.plus(x.times(*y)));
    p.plus(q).plus(r.plus(s)).plus(rest)
}
