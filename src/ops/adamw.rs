//! AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) on one parameter.

use super::cpu;
use super::cpu::adamw::Factors;
use super::storage::{on_cpu_f32, with_mut, with_mut_from, with_slices};
use candle_core::{DType, Result, Tensor};

/// What stays the same from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
}

/// What one step asks for.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub learning_rate: f64,
    /// Decoupled: each step shrinks the weights by learning rate × this.
    pub weight_decay: f64,
    /// What the gradient is multiplied by first: clipping.
    pub gradient_scale: f64,
}

/// Moments and step count of one parameter: a parameter that joins late starts its own bias correction.
#[derive(Clone, Debug)]
pub struct Moments {
    pub first: Tensor,
    pub second: Tensor,
    pub steps: u64,
}

impl Moments {
    pub fn zeros_like(parameter: &Tensor) -> Result<Self> {
        Ok(Self { first: parameter.zeros_like()?, second: parameter.zeros_like()?, steps: 0 })
    }

    /// Moves `parameter` one step along `gradient` (same shape). The kernel works in place; elsewhere the parameter
    /// is replaced.
    pub fn step(&mut self, parameter: &mut Tensor, gradient: &Tensor, settings: Settings, step: Step) -> Result<()> {
        self.steps += 1;
        let correction = |beta: f64| 1.0 / (1.0 - beta.powf(self.steps as f64));
        let (correction1, correction2) = (correction(settings.beta1), correction(settings.beta2));
        if !on_cpu_f32(&[parameter, &self.first, &self.second, gradient]) {
            return self.plain(parameter, gradient, settings, step, (correction1, correction2));
        }
        let factors = Factors {
            beta1: settings.beta1 as f32,
            beta2: settings.beta2 as f32,
            correction1: correction1 as f32,
            correction2: correction2 as f32,
            epsilon: settings.epsilon as f32,
            learning_rate: step.learning_rate as f32,
            shrink: (1.0 - step.learning_rate * step.weight_decay) as f32,
            gradient_scale: step.gradient_scale as f32,
        };
        let mut outcome = Ok(());
        with_mut_from(parameter, gradient, |weights, gradient| {
            outcome = self.fused(weights, gradient, factors);
        })?;
        outcome
    }

    /// Σ Δ² of the step that was made last, worked out from what it left behind: `parameter` as it is now and these
    /// moments. `step` and `settings` must be those of that step.
    pub fn squared_change(&self, parameter: &Tensor, settings: Settings, step: Step) -> Result<f64> {
        let correction = |beta: f64| 1.0 / (1.0 - beta.powf(self.steps.max(1) as f64));
        let (correction1, correction2) = (correction(settings.beta1), correction(settings.beta2));
        let shrink = 1.0 - step.learning_rate * step.weight_decay;
        if on_cpu_f32(&[parameter, &self.first, &self.second]) {
            let change = cpu::adamw::Change {
                correction1: correction1 as f32,
                correction2: correction2 as f32,
                epsilon: settings.epsilon as f32,
                learning_rate: step.learning_rate as f32,
                shrink: shrink as f32,
            };
            return with_slices([parameter, &self.first, &self.second], |[w, m, v]| change.sum_of_squares(w, m, v));
        }
        let wide = if parameter.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let denominator = ((self.second.to_dtype(wide)? * correction2)?.sqrt()? + settings.epsilon)?;
        let direction = ((self.first.to_dtype(wide)? * correction1)? / denominator)?;
        let decayed = (parameter.to_dtype(wide)? * (shrink - 1.0))?;
        let change = ((decayed - (direction * step.learning_rate)?)? / shrink)?;
        change.sqr()?.sum_all()?.to_dtype(DType::F64)?.to_scalar()
    }

    fn fused(&self, weights: &mut [f32], gradient: &[f32], factors: Factors) -> Result<()> {
        let mut outcome = Ok(());
        with_mut(&self.first, |first| {
            outcome = with_mut(&self.second, |second| cpu::adamw::step(weights, first, second, gradient, factors));
        })?;
        outcome
    }

    fn plain(
        &mut self,
        parameter: &mut Tensor,
        gradient: &Tensor,
        settings: Settings,
        step: Step,
        (correction1, correction2): (f64, f64),
    ) -> Result<()> {
        let Settings { beta1, beta2, epsilon } = settings;
        // Half-precision weights keep moments in their own type here; the arithmetic is done in f32 at least.
        let wide = if parameter.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let gradient = (gradient.to_dtype(wide)? * step.gradient_scale)?;
        let first = ((self.first.to_dtype(wide)? * beta1)? + (&gradient * (1.0 - beta1))?)?;
        let second = ((self.second.to_dtype(wide)? * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?;
        let denominator = ((&second * correction2)?.sqrt()? + epsilon)?;
        let direction = ((&first * correction1)? / denominator)?;
        let shrunk = (parameter.to_dtype(wide)? * (1.0 - step.learning_rate * step.weight_decay))?;
        let moved = (shrunk - (direction * step.learning_rate)?)?;
        *parameter = moved.to_dtype(parameter.dtype())?;
        self.first = first.to_dtype(self.first.dtype())?;
        self.second = second.to_dtype(self.second.dtype())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::check::{assert_close, random, single};
    use super::*;

    const SETTINGS: Settings = Settings { beta1: 0.9, beta2: 0.95, epsilon: 1e-8 };
    const STEP: Step = Step { learning_rate: 0.01, weight_decay: 0.1, gradient_scale: 0.5 };

    #[test]
    fn the_kernel_agrees_with_the_plain_expression_over_several_steps() {
        let mut plain = random(40_000, 1);
        let mut fused = single(&plain);
        let (mut plain_moments, mut fused_moments) =
            (Moments::zeros_like(&plain).unwrap(), Moments::zeros_like(&fused).unwrap());
        for seed in 0..5 {
            let gradient = random(40_000, 10 + seed);
            plain_moments.step(&mut plain, &gradient, SETTINGS, STEP).unwrap();
            fused_moments.step(&mut fused, &single(&gradient), SETTINGS, STEP).unwrap();
        }
        assert_close(&fused, &plain, 1e-6);
        assert_eq!(fused_moments.steps, 5);
    }

    #[test]
    fn the_change_is_that_of_the_last_step() {
        for (name, start) in [("plain", random(9_000, 1)), ("kernel", single(&random(9_000, 1)))] {
            let mut x = start;
            let mut moments = Moments::zeros_like(&x).unwrap();
            for seed in 0..3 {
                let before = x.copy().unwrap();
                let gradient = random(9_000, 10 + seed).to_dtype(x.dtype()).unwrap();
                moments.step(&mut x, &gradient, SETTINGS, STEP).unwrap();
                let change = (&x - &before).unwrap().sqr().unwrap().sum_all().unwrap();
                let want: f64 = change.to_dtype(DType::F64).unwrap().to_scalar().unwrap();
                let got = moments.squared_change(&x, SETTINGS, STEP).unwrap();
                assert!((got / want - 1.0).abs() < 1e-3, "{name}: {got} instead of {want}");
            }
        }
    }

    #[test]
    fn the_first_step_has_the_size_of_the_learning_rate() {
        let mut x = Tensor::new(&[1.0f64, -2.0], &candle_core::Device::Cpu).unwrap();
        let gradient = Tensor::new(&[3.0f64, -0.2], &candle_core::Device::Cpu).unwrap();
        let step = Step { weight_decay: 0.0, gradient_scale: 1.0, ..STEP };
        Moments::zeros_like(&x).unwrap().step(&mut x, &gradient, SETTINGS, step).unwrap();
        let got = x.to_vec1::<f64>().unwrap();
        assert!((got[0] - 0.99).abs() < 1e-6 && (got[1] + 1.99).abs() < 1e-6, "{got:?}");
    }
}
